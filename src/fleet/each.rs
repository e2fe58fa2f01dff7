//! The same question to many machines, and their answers in order.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Asks each of these, several at a time; the answers come in the order of what was asked.
pub fn each<A: Sync, B: Send>(asked: &[A], width: usize, ask: impl Fn(&A) -> B + Sync) -> Vec<B> {
    if asked.len() <= 1 || width <= 1 {
        return asked.iter().map(ask).collect();
    }
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(Vec::with_capacity(asked.len()));
    let work = || {
        while let at = next.fetch_add(1, Ordering::Relaxed)
            && let Some(one) = asked.get(at)
        {
            let answer = ask(one);
            answers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((at, answer));
        }
    };
    thread::scope(|scope| {
        for _ in 1..width.min(asked.len()) {
            // With fewer threads it takes longer, and that is all.
            let _ = thread::Builder::new().spawn_scoped(scope, work);
        }
        work();
    });
    let mut answers = answers.into_inner().unwrap_or_else(PoisonError::into_inner);
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use super::each;

    #[test]
    fn every_answer_comes_once_and_in_order() {
        let asked: Vec<u32> = (0..1000).collect();
        for width in [0, 1, 7, 5000] {
            let answers = each(&asked, width, |n| n * 2);
            assert_eq!(answers, asked.iter().map(|n| n * 2).collect::<Vec<_>>());
        }
        assert_eq!(each(&[0_u32; 0], 4, |n| *n), [0_u32; 0]);
    }
}
