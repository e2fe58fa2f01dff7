//! The scripts that run on nodes, each behind the tools that it shares with others.

use std::sync::LazyLock;

use super::node::{Script, joined};

macro_rules! script {
    ($name:ident, $file:literal $(, $shared:literal)*) => {
        pub(super) fn $name() -> Script {
            static TEXT: LazyLock<String> = LazyLock::new(|| {
                joined(&[
                    include_str!("tools.sh"),
                    $(include_str!(concat!($shared, ".sh")),)*
                    include_str!(concat!($file, ".sh")),
                ])
            });
            Script {
                name: concat!("clusterctl-", $file),
                text: &TEXT,
            }
        }
    };
}

script!(hold_look, "hold_look");
script!(hold_swap, "hold_swap");
script!(keep, "keep");
script!(kept, "kept");
script!(front, "front", "effect_look");
script!(fence, "fence", "effect_look");
script!(timer, "timer", "effect_look");
script!(await_end, "await", "effect_look");
script!(remember, "remember");
script!(stamp, "stamp", "effect_look");
script!(word_wait, "word_wait");
script!(word_awaited, "word_awaited");
script!(word_give, "word_give");
script!(command_look, "command_look", "bounded");
script!(pool_ask, "pool_ask");
script!(process_look, "process_look");
script!(port_look, "port_look", "bounded");
script!(space_look, "space_look");
