//! Broken plan files: nothing that a file says may end the program.

use clusterctl::plan::text::{Style, Verbosity};
use clusterctl::plan::{Plan, reverse, runbook, text};
use serde_json::Value as Json;

use crate::generate::{self, Draw};

/// Pieces that readers stumble over.
const PIECES: [&str; 16] = [
    "null",
    "\"\"",
    "[]",
    "{}",
    "-1",
    "18446744073709551615",
    "1e999",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "\"/\"",
    "true",
    "\"\u{202e}\"",
    "\"\u{1b}[2J\"",
    "0.1",
    "\"a/b/c\"",
    "9223372036854775807",
];

#[test]
fn no_file_ends_the_program() {
    let number = |name: &str, or: u64| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(or)
    };
    let executions = number("CLUSTERCTL_FUZZ_EXECUTIONS", 20_000);
    let seed = number("CLUSTERCTL_FUZZ_SEED", 1);
    let mut draw = Draw::new(seed);
    let (mut read, mut whole) = (0_u64, 0_u64);
    let mut bases = Vec::new();
    for at in 0..executions {
        if at % 1000 == 0 {
            bases = (0..8)
                .map(|_| generate::sized(draw.number(), 1).to_json())
                .collect();
        }
        let base = draw.pick(&bases).clone();
        let file = if draw.chance(60) {
            grafted(&base, &mut draw)
        } else {
            damaged(base.into_bytes(), &mut draw)
        };
        let good = Plan::from_json(&file);
        if let Ok(plan) = &good {
            whole += 1;
            let back = Plan::from_json(plan.to_json().as_bytes())
                .expect("what was read can be written and read");
            assert_eq!(&back, plan);
            assert_eq!(back.digest(), plan.digest());
        }
        // Whoever makes a plan in memory may break the rules: everything must cope.
        if let Ok(plan) = serde_json::from_slice::<Plan>(&file) {
            read += 1;
            exercise(&plan, good.is_ok(), &mut draw);
        }
    }
    println!("seed {seed}: {executions} executions, {read} plans read, {whole} of them whole");
    assert!(
        whole > executions / 50,
        "the mutations are too wild to test anything"
    );
}

/// Uses a plan in every way, and looks at what comes out.
fn exercise(plan: &Plan, whole: bool, draw: &mut Draw) {
    let style = Style {
        width: draw.below(120),
        colour: false,
        verbosity: *draw.pick(&[Verbosity::Terse, Verbosity::Normal, Verbosity::Verbose]),
    };
    for shown in [text::render(plan, &style), runbook::render(plan)] {
        let bad = shown.chars().find(|c| {
            (c.is_control() && !matches!(c, '\n' | '\t')) || ('\u{202a}'..='\u{202e}').contains(c)
        });
        assert_eq!(bad, None, "{shown}");
    }
    let _ = plan.digest();
    let _ = plan.problems().iter().map(ToString::to_string).count();
    let done = plan
        .steps()
        .filter(|_| draw.chance(80))
        .map(|(_, step)| (step.id.clone(), [("id".to_owned(), "7".to_owned())].into()))
        .collect();
    let run = "20260131-020455-kqzf".parse().expect("a good name");
    if let Ok(back) = reverse(plan, &run, &done, &[], plan.made_at) {
        let _ = text::render(&back, &style);
        if whole {
            assert_eq!(back.problems(), []);
        }
    }
}

/// Bytes changed, taken out, doubled or put in.
fn damaged(mut file: Vec<u8>, draw: &mut Draw) -> Vec<u8> {
    for _ in 0..=draw.below(3) {
        let at = draw.below(file.len());
        let end = (at + draw.below(40)).min(file.len());
        match draw.below(5) {
            0 => file[at] ^= 1 << draw.below(8),
            1 => drop(file.drain(at..end)),
            2 => {
                let again = file[at..end].to_vec();
                file.splice(at..at, again);
            }
            3 => drop(file.splice(at..end, draw.pick(&PIECES).bytes())),
            _ => file.truncate(file.len().max(2) - 1 - draw.below(20).min(file.len() / 2)),
        }
        if file.is_empty() {
            break;
        }
    }
    file
}

/// The same JSON with some of its values replaced by others, from the file or from elsewhere.
fn grafted(file: &str, draw: &mut Draw) -> Vec<u8> {
    let mut json: Json = serde_json::from_str(file).expect("a plan");
    for _ in 0..=draw.below(3) {
        let mut places = Vec::new();
        places_of(&json, "", &mut places);
        let at = draw.pick(&places).clone();
        let from = draw.pick(&places).clone();
        let other = json.pointer(&from).cloned().unwrap_or_default();
        let Some(place) = json.pointer_mut(&at) else {
            continue;
        };
        *place = match (draw.below(6), &*place) {
            (0, _) => other,
            (1, _) => {
                let piece: &&str = draw.pick(&PIECES);
                serde_json::from_str(piece).unwrap_or(Json::Null)
            }
            (2, Json::Array(items)) if !items.is_empty() => {
                let mut items = items.clone();
                items.remove(draw.below(items.len()));
                Json::Array(items)
            }
            (3, Json::Array(items)) => Json::Array([items.clone(), items.clone()].concat()),
            (_, Json::String(text)) => Json::from(format!(
                "{text}{}",
                draw.pick(&["x", "\u{1b}", "\0", "`", "\n", "/"])
            )),
            (_, Json::Number(number)) => {
                Json::from(number.as_u64().unwrap_or(0) ^ (1 << draw.below(64)))
            }
            (_, Json::Object(members)) if !members.is_empty() => {
                let mut members = members.clone();
                let key = members.keys().nth(draw.below(members.len())).cloned();
                members.remove(&key.unwrap_or_default());
                Json::Object(members)
            }
            (_, same) => same.clone(),
        };
    }
    json.to_string().into_bytes()
}

fn places_of(json: &Json, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match json {
        Json::Object(members) => {
            for (key, value) in members {
                let key = key.replace('~', "~0").replace('/', "~1");
                places_of(value, &format!("{at}/{key}"), found);
            }
        }
        Json::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                places_of(value, &format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}
