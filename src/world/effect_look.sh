# Part of the scripts for effects: what a node remembers of one. It stands behind the tools.

# Words for both directions of a step: its own files are BASE.*, those of the other direction OTHER.*.
say_effect() { # BASE OTHER
    say_file json "$1.json" || return 1
    say_file exit "$1.exit" || return 1
    say_file pid "$1.pid" || return 1
    say_file ended "$1.ended" || return 1
    say_file other.json "$2.json" || return 1
    say_file other.exit "$2.exit" || return 1
    say token "$(token "$1" "$2")"
}

# Names what is remembered, so that nobody acts upon something else: `none` where there is nothing.
token() { # BASE OTHER
    if [ -e "$1.json" ] || [ -e "$2.json" ]; then
        cat "$1.json" "$1.exit" "$2.json" "$2.exit" 2>/dev/null | cksum
    else
        printf 'none'
    fi
}

# The end of what a command wrote; it may have been anything, and may still grow.
say_end() { # NAME FILE BYTES
    [ -s "$2" ] || return 0
    size=$(($(wc -c <"$2")))
    from=$((size > $3 ? size - $3 : 0))
    printf '%s.from %d\n%d\n' "$1" "${#from}" "$from"
    printf '%s %d\n' "$1" "$((size - from))"
    [ "$size" -eq "$from" ] || tail -c "+$((from + 1))" "$2" | head -c "$((size - from))"
    echo
}

# Ends what runs for an attempt: asked to first, made to after five seconds.
end_group() { # BASE ATTEMPT WHY
    read -r whose group <"$1.group" || return 1
    [ "$whose" = "$2" ] && [ -n "$group" ] || return 1
    kill -0 "-$group" 2>/dev/null || return 0
    printf '%s %s\n' "$2" "$3" >"$1.ended"
    kill -TERM "-$group" 2>/dev/null || return 0
    tries=100
    while [ "$tries" -gt 0 ] && kill -0 "-$group" 2>/dev/null; do
        tries=$((tries - 1))
        nap 0.05
    done
    kill -KILL "-$group" 2>/dev/null
    return 0
}
