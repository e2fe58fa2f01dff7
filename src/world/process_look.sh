# Tells which process has some words in its command line.
#
#   Standard input: the words, a line each. No word may stand in the command line of whoever looks.
#
# Answers with `count`, how many there are, and `process`, the number of one of them and when it began, as the system
# counts.
#
# Exit codes: 76 there is no /proc to look into.

[ -r /proc/self/stat ] || exit 76
IFS= read -r first || exit 75
others=
while IFS= read -r other; do
    others=$others$other$newline
done
count=0 process=
for file in $(printf '%s\n' "$first" | grep -lFf /dev/stdin /proc/[0-9]*/cmdline 2>/dev/null); do
    words=$(tr '\0' ' ' 2>/dev/null <"$file") || continue
    words=$words' '
    fits=yes
    set -f
    IFS=$newline
    for word in $first $others; do
        case $words in
        *"$word"[!A-Za-z0-9._-]*) ;;
        *) fits= ;;
        esac
    done
    unset IFS
    set +f
    [ -n "$fits" ] || continue
    folder=${file%/cmdline}
    IFS= read -r line 2>/dev/null <"$folder/stat" || continue
    line=${line##*) }
    set -- $line
    # A corpse is no process any more.
    case $1 in Z | X) continue ;; esac
    count=$((count + 1))
    process="${folder#/proc/} ${20}"
done
say count "$count"
say process "$process"
