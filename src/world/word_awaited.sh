# Tells whether somebody waits for word.
#
#   word  the file in which word is given
#   name  the name of the attempt
#
# Exit codes of its own: 76 nobody does yet.

word=$1 name=$2

clock
end=$((now + 2000))
until read -r who 2>/dev/null <"$word.ready" && [ "$who" = "$name" ]; do
    clock
    [ "$now" -lt "$end" ] || exit 76
    nap 0.05
done
