# Waits under the fence for word of what came of something that the runner does
# elsewhere, such as a call of a REST interface. As long as it waits, nobody
# else can take the node.
#
#   word    the file in which word is given; WORD.ready says that this waits
#   name    the name of this attempt
#
# The file is the name and `done`, `failed` or `unknown`, and after that line
# what a person is to know. Where no word comes, since the runner is gone, the
# fence ends this when the time of the step is up.

word=$1 name=$2

said=$({ rm -f -- "$word" && printf '%s\n' "$name" >"$word.ready"; } 2>&1) || {
    printf '%s\n' "$said" >&2
    exit 89
}
until [ -f "$word" ] && read -r given verdict <"$word" && [ "$given" = "$name" ]; do
    nap 0.05
done
[ "$verdict" = done ] || sed 1d "$word" >&2
rm -f -- "$word" "$word.ready" "$word.new"
case $verdict in
done) exit 0 ;;
failed) exit 89 ;;
# Whether there is an effect, only a look tells.
*) exit 90 ;;
esac
