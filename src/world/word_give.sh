# Gives word to whoever waits for it. Standard input is what is said.
#
#   word  the file in which word is given

word=$1

said=$({ cat >"$word.new" && mv -f -- "$word.new" "$word"; } 2>&1) || {
    printf '%s\n' "$said" >&2
    exit 73
}
