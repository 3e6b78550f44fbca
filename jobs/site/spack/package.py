# A recipe for Spack 1.0 or later. waferllm has no place to download from, so
# Spack takes what `make dist` leaves in the directory that it is called from:
#
#     spack repo create ~/spack-site site
#     mkdir -p ~/spack-site/spack_repo/site/packages/waferllm
#     cp jobs/site/spack/package.py ~/spack-site/spack_repo/site/packages/waferllm
#     spack repo add ~/spack-site/spack_repo/site
#     spack install --no-checksum waferllm
import os

from spack_repo.builtin.build_systems.autotools import AutotoolsPackage

from spack.package import *


class Waferllm(AutotoolsPackage):
    """An emulator of LLM inference on a wafer-scale chip: real tokens, and
    the account of what the wafer would have needed for them."""

    manual_download = True
    url = f"file://{os.getcwd()}/waferllm-0.1.0.tar.gz"

    license("Apache-2.0")

    version("0.1.0")

    variant("scalapack", default=True, description="Build bench's psgemm")

    depends_on("c", type="build")
    depends_on("autoconf", type="build")
    depends_on("automake", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("check", type="test")

    depends_on("mpi@3:")
    depends_on("hdf5@1.10:+mpi")
    depends_on("hwloc@2:")
    depends_on("jansson")
    depends_on("zlib-api")
    depends_on("libdeflate")
    depends_on("pcre2")
    depends_on("utf8proc")
    depends_on("scalapack", when="+scalapack")

    def configure_args(self):
        args = [
            f"MPICC={self.spec['mpi'].mpicc}",
            "--with-libdeflate",
            "--with-pcre2",
            "--with-utf8proc",
        ]
        args += self.with_or_without("scalapack")
        if self.spec.satisfies("+scalapack"):
            args.append(f"SCALAPACK_LIBS={self.spec['scalapack'].libs.ld_flags}")
        return args
