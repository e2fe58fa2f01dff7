# Gives a place back the tree that a swap took from it. Done twice, it does no more.
#
#   to       the place
#   old      where the old tree is kept; `-` where there was none
#   of       the folder of what the swap noted down
#   other    the name that the tree gets which goes where there was none; else it gets the one of the old tree
#   kept     the folder for what must be known to take this back
#   record   the record for that
#   judged   `as-it-was` where the old tree was looked at, and only what does not count differs from what it was
#   known    what has to be known of the trees to take this back in turn, in a line; or nothing

to=$1 old=$2 of=$3 other=$4 kept=$5 record=$6 judged=$7 known=$8

real_of "$to"
if [ "$old" != - ] && is_mounted "$real"; then
    back_inside
    exit 0
fi
mkdir -p -- "$kept" || exit $EX_FAILED
if [ "$old" = - ]; then
    put "$kept/kept.json" "$record"
    exists "$real" || exit 0
    ! exists "$other" || stop $EX_TAKEN "there is something at $other already"
    without_mounts "$real"
    put "$kept/old" "$(fingerprint "$real") $(identity "$real")"
    said=$(mv -T -- "$real" "$other" 2>&1) || blame "$to can't be moved" "$said"
    on_disk "${real%/*}/"
    exit 0
fi
read -r its_fingerprint _ its_identity 2>/dev/null <"$of/old" || stop $EX_STALE "what the old tree of $to was is not known any more"
[ -z "$known" ] || put "$kept/known" "$known"
# A swap that was cut short before its last rename left the old tree under the name that it has in between.
if ! exists "$old" && [ "$(identity "$old.old")" = "$its_identity" ]; then
    said=$(mv -T -- "$old.old" "$old" 2>&1) || blame "$old.old can't be moved" "$said"
fi
# The old tree keeps its name until it gets back its place: whoever comes after one that was cut short finds it there.
if [ "$(identity "$real")" != "$its_identity" ]; then
    [ "$(identity "$old")" = "$its_identity" ] || stop $EX_STALE "$old, where the old tree of $to was kept, is gone"
    now=$its_fingerprint
    [ "$judged" = as-it-was ] || now=$(fingerprint "$old")
    [ "${now%% *}" = "$its_fingerprint" ] ||
        stop $EX_STALE "somebody wrote into $old, where the old tree of $to is kept; it was left as it is"
    without_mounts "$old"
    if exists "$real" || exists "$old.old"; then
        if exists "$real" && ! exists "$old.old"; then
            without_mounts "$real"
            put "$kept/old" "$(fingerprint "$real") $(identity "$real")"
        fi
        change_places "$real" "$old"
    else
        said=$(mv -T -- "$old" "$real" 2>&1) || blame "$old can't become $to" "$said"
        on_disk "${real%/*}/"
    fi
elif exists "$old.old"; then
    change_places "$real" "$old"
fi
# Noted down last: cleaning up one that was cut short must not take the old tree.
put "$kept/kept.json" "$record"
