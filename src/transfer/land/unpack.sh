# Unpacks what comes into the stage.
#
#   stage  the stage
#   how    `gnu` or `busybox`
#   which  the number of this one, where several are unpacked at once

stage=$1 how=$2 which=$3

alone "$stage" -s
if [ "$how" = gnu ]; then
    tar --extract --file=- --directory="$stage" --preserve-permissions --delay-directory-restore \
        --numeric-owner --xattrs --xattrs-include='*' --warning=no-timestamp
else
    tar -x -p -f - -C "$stage"
fi 2>"$stage.said$which"
code=$?
said=$(tail -c 2000 "$stage.said$which")
rm -f -- "$stage.said$which"
[ "$code" -eq 0 ] || blame "what was sent can't be unpacked in $stage" "$said"
[ -z "$said" ] || printf '%s\n' "$said" >&2
