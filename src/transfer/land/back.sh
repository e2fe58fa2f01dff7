# Gives a place back the tree that a swap took from it. Done twice, it does no more.
#
#   to       the place
#   old      where the old tree is kept; `-` where there was none
#   of       the folder of what the swap noted down
#   other    the name that the tree gets which goes
#   kept     the folder for what must be known to take this back
#   record   the record for that

to=$1 old=$2 of=$3 other=$4 kept=$5 record=$6

real_of "$to"
mkdir -p -- "$kept" || exit $EX_FAILED
put "$kept/kept.json" "$record"
if [ "$old" = - ]; then
    exists "$real" || exit 0
    ! exists "$other" || stop $EX_TAKEN "there is something at $other already"
    put "$kept/old" "$(fingerprint "$real") $(identity "$real")"
    said=$(mv -T -- "$real" "$other" 2>&1) || blame "$to can't be moved" "$said"
    on_disk "${real%/*}/"
    exit 0
fi
read -r its_fingerprint _ its_identity 2>/dev/null <"$of/old" || stop $EX_STALE "what the old tree of $to was is not known any more"
if [ "$(identity "$real")" != "$its_identity" ]; then
    if [ "$(identity "$old")" = "$its_identity" ]; then
        now=$(fingerprint "$old")
        [ "${now%% *}" = "$its_fingerprint" ] ||
            stop $EX_STALE "somebody wrote into $old, where the old tree of $to is kept; it was left as it is"
        ! exists "$other" || stop $EX_TAKEN "there is something at $other already"
        said=$(mv -T -- "$old" "$other" 2>&1) || blame "$old can't be moved" "$said"
    fi
    [ "$(identity "$other")" = "$its_identity" ] || [ "$(identity "$other.old")" = "$its_identity" ] ||
        stop $EX_STALE "$old, where the old tree of $to was kept, is gone"
    if exists "$real" || exists "$other.old"; then
        exists "$other.old" || put "$kept/old" "$(fingerprint "$real") $(identity "$real")"
        change_places "$real" "$other"
    else
        said=$(mv -T -- "$other" "$real" 2>&1) || blame "$other can't become $to" "$said"
        on_disk "${real%/*}/"
    fi
elif exists "$other.old"; then
    change_places "$real" "$other"
fi
