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
            --numeric-owner --xattrs --xattrs-include='*' --warning=no-timestamp --blocking-factor=512
    else
        heard tar -x -p -f - -C "$stage"
    fi
}
if [ "$zip" = zstd ]; then
    # What is cut short may end where tar sees nothing amiss: zstd knows, and says last how it ended.
    said=$(
        {
            {
                /bin/sh -c 'echo "$$"; exec zstd -d -q -c' 2>&4
                echo "zstd ended with $?" >&4
            } | {
                read -r pid
                unpacks
                code=$?
                [ -z "$said" ] || printf '%s\n' "$said" >&4
                # Whoever may not write to the end says nothing of use, and who waits for more waits in vain.
                if [ "$code" -eq 0 ]; then cat >/dev/null; else kill "$pid" 2>/dev/null; fi
                exit "$code"
            }
        } 4>&1
    )
    code=$?
    ended=$(printf '%s\n' "$said" | sed -n 's/^zstd ended with //p')
    said=$(printf '%s\n' "$said" | grep -v -e '^zstd ended with ' -e '^zstd: .*Broken pipe' -e '^Terminated')
    if [ "$code" -eq 0 ] && [ "$ended" != 0 ]; then
        code=1
        said="what came through zstd was cut short or broken${said:+: $said}; --compress=never does without it"
    fi
else
    unpacks
    code=$?
fi
[ "$code" -eq 0 ] || blame "what was sent can't be unpacked in $stage" "$said"
[ -z "$said" ] || printf '%s\n' "$said" >&2
