//! The scripts that run on nodes, each behind the tools that it shares with others.

use std::sync::LazyLock;

use super::node::Script;

macro_rules! script {
    ($name:ident, $file:literal $(, $shared:literal)*) => {
        pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
            let parts = [
                include_str!("tools.sh"),
                $(include_str!(concat!($shared, ".sh")),)*
                include_str!(concat!($file, ".sh")),
            ];
            Script::new(concat!("clusterctl-", $file), &parts)
        });
    };
}

script!(HOLD_LOOK, "hold_look");
script!(HOLD_SWAP, "hold_swap");
script!(KEEP, "keep");
script!(KEPT, "kept");
script!(FRONT, "front", "effect_look");
script!(FENCE, "fence", "effect_look");
script!(TIMER, "timer", "effect_look");
script!(AWAIT, "await", "effect_look");
script!(REMEMBER, "remember");
script!(STAMP, "stamp", "effect_look");
