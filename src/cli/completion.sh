# Completes waferllm's command line in bash, and in zsh after
# "autoload -Uz bashcompinit && bashcompinit". The functions below that name
# verbs, options and values are made from the program's table of options.
# shellcheck shell=bash disable=SC2207

# This script, without links: it may have been moved, with the data beside.
_waferllm_script=${BASH_SOURCE[0]:-$0}
_waferllm_script=$(readlink -f -- "$_waferllm_script" 2>/dev/null ||
	printf '%s\n' "$_waferllm_script")

# _waferllm_known FOLDER: the names of the JSON files there in the data.
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

# Without a word that fits, the shell names files; where none can be meant,
# words are "-".
_waferllm()
{
	local verb words i
	local current=${COMP_WORDS[COMP_CWORD]}
	local last=${COMP_WORDS[COMP_CWORD - 1]}
	# To bash, --option=value is three words.
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
	# Of names with commas between them, the last.
	COMPREPLY=($(compgen -P "${current%"${current##*,}"}" -W "$words" \
		-- "${current##*,}"))
}
complete -o default -F _waferllm waferllm

