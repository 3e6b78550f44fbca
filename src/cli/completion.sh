# Completes waferllm's command line in bash, and in zsh after
# "autoload -Uz bashcompinit && bashcompinit". The functions at the end, with
# verbs, options and values, are generated from the program's option table.
# shellcheck shell=bash disable=SC2207

# The path of this script, links resolved: the data folder is found relative to
# it, so that an installed tree may be moved.
_waferllm_script=${BASH_SOURCE[0]:-$0}
_waferllm_script=$(readlink -f -- "$_waferllm_script" 2>/dev/null ||
	printf '%s\n' "$_waferllm_script")

# _waferllm_known FOLDER: names of the JSON files in a folder of the data.
_waferllm_known()
{
	local file data=${_waferllm_script%/*}/../../waferllm
	[ -d "$data/devices" ] || data=$_waferllm_installed
	for file in "$data/$1"/*.json; do
		[ -e "$file" ] || continue
		file=${file##*/}
		echo "${file%.json}"
	done
}

# If no word matches, the shell completes file names; words="-" prevents that.
_waferllm()
{
	local verb words i
	local current=${COMP_WORDS[COMP_CWORD]}
	local last=${COMP_WORDS[COMP_CWORD - 1]}
	# bash splits --option=value into three words.
	[ "$current" != = ] || current=
	[ "$last" != = ] || last=${COMP_WORDS[COMP_CWORD - 2]}
	verb=
	for ((i = 1; i < COMP_CWORD; i++)); do
		_waferllm_verb "${COMP_WORDS[i]}"
	done
	words=
	if ! _waferllm_values "$verb" "$last"; then
		case $current in
		-*) _waferllm_options "$verb" ;;
		*) _waferllm_operands "$verb" ;;
		esac
	fi
	if [ "$words" = - ]; then
		words=
		compopt +o default 2>/dev/null
	fi
	# In a comma-separated list, complete the last item.
	COMPREPLY=($(compgen -P "${current%"${current##*,}"}" -W "$words" \
		-- "${current##*,}"))
}
complete -o default -F _waferllm waferllm

