# Makes folders in the stage, so that several archives can be unpacked at once: where two want to make the same folder, tar
# gives up on what was to come into it.
#
#   stage  the stage
#
# Standard input names the folders, at least one.

stage=$1

cd -P -- "$stage" || stop $EX_STALE "$stage is gone"
alone "$stage" -s
said=$(xargs -0 mkdir -p -- 2>&1) || blame "folders can't be made in $stage" "$said"
