# Unpacks what comes into the stage.
#
#   stage  the stage
#   how    `gnu` or `busybox`
#   zip    by what it was made smaller: `zstd`, or `-`

stage=$1 how=$2 zip=$3

alone "$stage" -s
unpacks() {
    if [ "$how" = gnu ]; then
        heard tar --extract --file=- --directory="$stage" --preserve-permissions --delay-directory-restore \
            --numeric-owner --xattrs --xattrs-include='*' --warning=no-timestamp
    else
        heard tar -x -p -f - -C "$stage"
    fi
}
if [ "$zip" = zstd ]; then
    # What is cut short may end where tar sees nothing amiss: zstd knows.
    broken='what came through zstd was cut short or broken'
    said=$(
        {
            { zstd -d -q -c 2>/dev/null || echo "$broken" >&4; } | {
                unpacks
                code=$?
                [ -z "$said" ] || printf '%s\n' "$said" >&4
                exit "$code"
            }
        } 4>&1
    )
    code=$?
    if [ "$code" -ne 0 ]; then
        # When tar goes, zstd goes with it.
        said=$(printf '%s\n' "$said" | grep -v -x -F -e "$broken")
    elif printf '%s\n' "$said" | grep -q -x -F -e "$broken"; then
        code=1
    fi
else
    unpacks
    code=$?
fi
[ "$code" -eq 0 ] || blame "what was sent can't be unpacked in $stage" "$said"
[ -z "$said" ] || printf '%s\n' "$said" >&2
