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

read -r its_digest its_identity 2>/dev/null <"$staged/staged" || stop $EX_STALE "no whole tree is staged for $to"
[ "$its_digest" = "$digest" ] || stop $EX_STALE "what is staged for $to is another tree"
real_of "$to"
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
        # All that takes its time comes before anything has another name.
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
rm -f -- "$staged/kept.json"
