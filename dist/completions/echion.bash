# Bash completion for echion(1) and echiond(8).

# The processes that look like a Python, by id.
_echion_pids() {
    pgrep -f '[Pp]ython' 2>/dev/null
    # What the user begins to type may be any process.
    compgen -A file -- /proc/"$1" | sed -n 's|^/proc/\([0-9][0-9]*\)$|\1|p'
}

_echion() {
    local program=${1##*/} current=$2 previous=$3 i word
    local options='-p --pid -w --where --locals --json -o --output --format -i --interval -x --exposure
        -c --cpu -C --children -s --stealth --no-shim -q --quiet -v --verbose -V --version -h --help'
    COMPREPLY=()

    # Up to the word that is completed: is there a command already?
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
        report)
            if [[ $program == echion && $i -eq 1 ]]; then
                _echion_report "$current" "$previous"
                return
            fi
            ;;&
        where)
            if [[ $program == echion && $i -eq 1 ]]; then
                _echion_where "$current"
                return
            fi
            ;;&
        --pid | --where | --output | --format | --interval | --exposure) ((i++)) ;;
        --*) ;;
        # A bundle: its last option may take the next word.
        -*[pwoix]) ((i++)) ;;
        -*) ;;
        *)
            # The command's own words. bash-completion knows more of them than we do.
            if declare -F _command_offset >/dev/null; then
                _command_offset "$i"
            else
                mapfile -t COMPREPLY < <(compgen -A file -- "$current")
            fi
            return
            ;;
        esac
    done

    case $previous in
    --pid | -p | -[cCsqv]*p | --where | -w | -[cCsqv]*w)
        mapfile -t COMPREPLY < <(compgen -W "$(_echion_pids "$current")" -- "$current")
        return
        ;;
    --output | -o | -[cCsqv]*o)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -A file -- "$current")
        return
        ;;
    --format)
        mapfile -t COMPREPLY < <(compgen -W 'austin mojo' -- "$current")
        return
        ;;
    --interval | -i | -[cCsqv]*i)
        mapfile -t COMPREPLY < <(compgen -W '100us 1ms 10ms 100ms' -- "$current")
        return
        ;;
    --exposure | -x | -[cCsqv]*x)
        mapfile -t COMPREPLY < <(compgen -W '10 30 60' -- "$current")
        return
        ;;
    esac

    if [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
        return
    fi
    mapfile -t COMPREPLY < <(compgen -A command -- "$current")
    if [[ $program == echion && $COMP_CWORD -eq 1 ]]; then
        mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -W 'report where' -- "$current")
    fi
}

_echion_where() {
    local words
    if [[ $1 == -* ]]; then
        words='--locals --json -C --children -v --verbose -h --help'
    else
        words=$(_echion_pids "$1")
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$1")
}

_echion_report() {
    case $2 in
    -n) mapfile -t COMPREPLY < <(compgen -W '10 20 50 100' -- "$1") ;;
    *)
        if [[ $1 == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '-n -h --help' -- "$1")
        else
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(
                compgen -A directory -- "$1"
                compgen -A file -X '!*.@(austin|mojo)' -- "$1"
            )
        fi
        ;;
    esac
}

complete -F _echion echion echiond
