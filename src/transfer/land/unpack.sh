# Unpacks what comes into the stage.
#
#   stage  the stage
#   how    `gnu` or `busybox`

stage=$1 how=$2

alone "$stage" -s
if [ "$how" = gnu ]; then
    heard tar --extract --file=- --directory="$stage" --preserve-permissions --delay-directory-restore \
        --numeric-owner --xattrs --xattrs-include='*' --warning=no-timestamp
else
    heard tar -x -p -f - -C "$stage"
fi
code=$?
[ "$code" -eq 0 ] || blame "what was sent can't be unpacked in $stage" "$said"
[ -z "$said" ] || printf '%s\n' "$said" >&2
