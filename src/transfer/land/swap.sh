# Makes a staged tree the live one. Done twice, it does no more.
#
#   to       the place
#   stage    where the tree was staged
#   other    the name that it has while it waits, and that the old one gets
#   staged   the folder that says that it is whole
#   digest   what the tree is
#   kept     the folder for what must be known to take this back
#   aside    the record when there is an old tree, and
#   nothing  when there is none

to=$1 stage=$2 other=$3 staged=$4 digest=$5 kept=$6 aside=$7 nothing=$8

# What the new tree has of the old one, because it is excluded or only there, may have changed since it was copied:
# that is carried over once more, from `$real` into `$waits`, and where that can't be, nothing is swapped.
carry_again() {
    [ -f "$staged/live" ] || return 0
    carried=
    has_not="can't be carried over to the new tree; nothing was swapped: push again"
    said=$({ listing "$real" >"$kept/now"; } 2>&1) || blame "$kept/now can't be written" "$said"
    comm -13 "$staged/live" "$kept/now" >"$kept/differs" || stop $EX_FAILED 'the node has no program `comm`'
    while IFS= read -r line <&8; do
        path=${line#* * * * }
        path=${path#./}
        # What a place at which a file system is mounted has of ours.
        case $path in ".${real##*/}.clusterctl-"* | lost+found | lost+found/*) continue ;; esac
        from=$real/$path into=$waits/$path
        ! exists "$into" || grep -Fqx -e "./$path" "$staged/own" || continue
        case $path in
        *"$(printf '\001')"*) stop $EX_STALE "$from changed, and $has_not" ;;
        esac
        exists "$from" || continue
        carried=yes
        folder=${into%/*}
        [ "$(cd -P -- "$folder" 2>/dev/null && pwd -P)" = "$folder" ] || stop $EX_STALE "$from is new, and $has_not"
        closed=
        [ -w "$folder" ] || closed=$(stat -c %a -- "$folder")
        [ -z "$closed" ] || chmod u+w "$folder"
        if [ -d "$from" ] && ! [ -L "$from" ]; then
            said=$(mkdir -- "$into" 2>&1 && chmod "$(stat -c %a -- "$from")" "$into" 2>&1 &&
                { [ "$(id -u)" != 0 ] || chown "$(stat -c %u:%g -- "$from")" "$into" 2>&1; })
        else
            said=$(rm -f -- "$into" 2>&1 && cp -a -- "$from" "$into" 2>&1)
        fi || ! exists "$from" || stop $EX_STALE "$from changed, and $has_not ($said)"
        [ -z "$closed" ] || chmod "$closed" "$folder"
    done 8<"$kept/differs"
    comm -23 "$staged/live" "$kept/now" >"$kept/differs"
    while IFS= read -r line <&8; do
        path=${line#* * * * }
        path=${path#./}
        # What went meanwhile does not come back.
        exists "$real/$path" || ! grep -Fqx -e "./$path" "$staged/own" || rm -f -- "$waits/$path"
    done 8<"$kept/differs"
    # What is live has to be on disk, like all the rest of it.
    [ -z "$carried" ] || sync -f -- "$waits" 2>/dev/null || sync
    rm -f -- "$kept/differs" "$kept/now"
}

real_of "$to"
if is_mounted "$real"; then
    swap_inside
    exit 0
fi
read -r its_digest its_identity _ 2>/dev/null <"$staged/staged" || stop $EX_STALE "no whole tree is staged for $to"
[ "$its_digest" = "$digest" ] || stop $EX_STALE "what is staged for $to is another tree"
exists "$other.old" || name_back
if [ "$(identity "$real")" != "$its_identity" ]; then
    mkdir -p -- "$kept" || exit $EX_FAILED
    waits=$other
    if [ "$(identity "$stage")" = "$its_identity" ]; then
        ! exists "$other" || stop $EX_TAKEN "there is something at $other already"
        waits=$stage
    fi
    [ "$(identity "$waits")" = "$its_identity" ] || stop $EX_STALE "the staged tree $stage is gone"
    if exists "$other.old"; then
        change_places "$real" "$other"
    elif exists "$real"; then
        [ -d "$real" ] || stop $EX_TAKEN "$to is not a folder"
        without_mounts "$real"
        carry_again
        # All that takes its time comes before anything has another name.
        ! [ -f "$staged/known" ] || put "$kept/known" "$(cat -- "$staged/known")"
        put "$kept/old" "$(fingerprint "$real") $(identity "$real")"
        put "$kept/kept.json" "$aside"
        [ "$waits" = "$other" ] || said=$(mv -T -- "$stage" "$other" 2>&1) || blame "$stage can't be moved" "$said"
        change_places "$real" "$other"
    else
        put "$kept/kept.json" "$nothing"
        said=$(mv -T -- "$waits" "$real" 2>&1) || blame "$waits can't become $to" "$said"
        on_disk "${real%/*}/"
    fi
elif exists "$other.old"; then
    change_places "$real" "$other"
fi
rm -f -- "$staged/kept.json" "$staged/live" "$staged/own" "$staged/known"
