//! Compares the reading of properties files with that of a real Java.
//!
//! One JVM answers for thousands of generated files, in both encodings: what
//! it reads in a file as it is, and in the same file after our edit of it.

use std::env;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use clusterctl::properties::{Encoding, JavaString, Properties};

use crate::nasty::{Random, chosen, definitions};

const SEED: u64 = 0x5EED_0F0A_4C1E_0017;
const BATCH: usize = 2_000;

type Definitions = Vec<(JavaString, JavaString)>;

/// What Java says of a file.
#[derive(Debug, PartialEq)]
struct Answer {
    refused: bool,
    definitions: Definitions,
}

/// A file and what we say of it.
struct Case {
    what: String,
    bytes: Vec<u8>,
    encoding: Encoding,
    expected: Answer,
}

/// A running JVM.
struct Oracle {
    jvm: Child,
    questions: Option<BufWriter<ChildStdin>>,
    answers: BufReader<ChildStdout>,
}

impl Oracle {
    fn start() -> Self {
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/java/PropertiesOracle.java");
        let mut jvm = Command::new("java")
            .args(["-XX:+UseSerialGC", "-Xmx512m"])
            .arg(source)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "This test compares with a real Java, and `java` could not be started \
                     ({error}). Install a JDK: on Debian, `apt-get install default-jdk-headless`."
                )
            });
        let questions = jvm.stdin.take().map(BufWriter::new);
        let answers = BufReader::new(jvm.stdout.take().unwrap());
        Self {
            jvm,
            questions,
            answers,
        }
    }

    fn check(&mut self, cases: &[Case]) {
        let Self {
            questions, answers, ..
        } = self;
        let questions = questions.as_mut().unwrap();
        // All answers are read before any is judged: a JVM that nobody reads
        // from stops reading, too.
        let answers: Vec<_> = thread::scope(|scope| {
            scope.spawn(|| ask(questions, cases));
            let answers = cases.iter().map(|case| read_answer(answers, &case.what));
            answers.collect()
        });
        for (case, answer) in cases.iter().zip(answers) {
            assert_eq!(
                answer,
                case.expected,
                "Java (left) and we (right) disagree on {} in {:?}: {}",
                case.what,
                case.encoding,
                case.bytes.escape_ascii()
            );
        }
    }

    fn finish(mut self) {
        drop(self.questions.take());
        assert!(self.jvm.wait().unwrap().success());
    }
}

fn ask(questions: &mut impl Write, cases: &[Case]) {
    let write = |questions: &mut dyn Write, number: usize| {
        let number = u32::try_from(number).unwrap();
        questions.write_all(&number.to_be_bytes()).unwrap();
    };
    write(questions, cases.len());
    for case in cases {
        questions
            .write_all(&[encoding_number(case.encoding)])
            .unwrap();
        write(questions, case.bytes.len());
        questions.write_all(&case.bytes).unwrap();
    }
    questions.flush().unwrap();
}

fn encoding_number(encoding: Encoding) -> u8 {
    match encoding {
        Encoding::Latin1 => 0,
        Encoding::Utf8 => 1,
    }
}

fn read_answer(answers: &mut impl Read, what: &str) -> Answer {
    let mut refused = [0];
    answers
        .read_exact(&mut refused)
        .unwrap_or_else(|error| panic!("Java gave no answer for {what}: {error}"));
    let count = read_number(answers);
    let definitions = (0..count)
        .map(|_| (read_text(answers), read_text(answers)))
        .collect();
    Answer {
        refused: refused == [1],
        definitions,
    }
}

fn read_number(answers: &mut impl Read) -> usize {
    let mut number = [0; 4];
    answers.read_exact(&mut number).unwrap();
    usize::try_from(u32::from_be_bytes(number)).unwrap()
}

fn read_text(answers: &mut impl Read) -> JavaString {
    let mut bytes = vec![0; 2 * read_number(answers)];
    answers.read_exact(&mut bytes).unwrap();
    let units: Vec<_> = bytes
        .chunks_exact(2)
        .map(|unit| u16::from_be_bytes([unit[0], unit[1]]))
        .collect();
    units.into()
}

/// What we say Java makes of a file. It puts definitions until it meets the
/// first that it refuses.
fn our_answer(file: &Properties) -> Answer {
    let refused = file.problems().first().and_then(|problem| {
        file.lines()
            .iter()
            .find(|line| line.numbers().contains(&problem.line))
            .map(|line| *line.numbers().start())
    });
    Answer {
        refused: refused.is_some(),
        definitions: file
            .entries()
            .take_while(|entry| refused.is_none_or(|line| entry.line < line))
            .map(|entry| (entry.key, entry.value))
            .collect(),
    }
}

fn case(what: String, file: &Properties, expected: Answer) -> Case {
    Case {
        what,
        bytes: file.bytes().to_vec(),
        encoding: file.encoding(),
        expected,
    }
}

/// A file as it is, and after an edit when the edit is possible.
fn cases_of(number: usize, random: &mut Random) -> Vec<Case> {
    let bytes = random.file();
    let mut cases = Vec::new();
    for encoding in [Encoding::Latin1, Encoding::Utf8] {
        let file = Properties::parse_as(&bytes, encoding);
        cases.push(case(format!("file {number}"), &file, our_answer(&file)));
        let (key, value, which) = (random.key(&file), random.text(), random.which());
        let places = chosen(&file, &key, which);
        let mut edited = file.clone();
        let mut expected = definitions(&file);
        let what = if random.below(4) == 0 {
            if edited.unset(&key, which).is_err() {
                continue;
            }
            for place in places.into_iter().rev() {
                expected.remove(place);
            }
            format!(
                "file {number} without {key:?} ({which:?}) from {}",
                bytes.escape_ascii()
            )
        } else {
            if edited.set(&key, &value, which).is_err() {
                continue;
            }
            if places.is_empty() {
                expected.push((key.clone(), value.clone()));
            }
            for place in places {
                expected[place].1 = value.clone();
            }
            format!(
                "file {number} with {key:?} set to {value:?} ({which:?}) from {}",
                bytes.escape_ascii()
            )
        };
        let expected = Answer {
            refused: false,
            definitions: expected,
        };
        cases.push(case(what, &edited, expected));
    }
    cases
}

fn file_count() -> usize {
    match env::var("CLUSTERCTL_MATRIX").as_deref() {
        Ok("full") => 200_000,
        Ok("sample") | Err(_) => 5_000,
        Ok(other) => panic!("CLUSTERCTL_MATRIX is `full` or `sample`, not `{other}`."),
    }
}

#[test]
fn java_reads_what_we_say_it_reads() {
    let count = file_count();
    println!("seed {SEED:#x}, {count} files");
    let mut random = Random::new(SEED);
    let mut oracle = Oracle::start();
    let mut compared = 0;
    let mut batch = Vec::new();
    for number in 0..count {
        batch.extend(cases_of(number, &mut random));
        if batch.len() >= BATCH || number + 1 == count {
            oracle.check(&batch);
            compared += batch.len();
            batch.clear();
        }
    }
    oracle.finish();
    println!("{compared} readings compared");
}
