//! Makes the trees that copies are measured with: `cargo bench --bench trees -- app|tiny|far|many|change FOLDER`.
//!
//! `app` is like an application's folder: 8,000 files, about 1 GB, some archives of 5 to 100 MB, many small texts, links,
//! modes. `tiny` is 50,000 files of 1.5 kB. `far`, for long
//! lines, is 128 MB in 505 files. `many` is 200,000 files, every other one empty. `change` writes one file in a hundred of a tree anew. The same name always
//! makes the same bytes.

use std::fs::{self, File, FileTimes, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// The archives of an application, in MB: 1,000 together.
const ARCHIVES: [u64; 38] = [
    100, 80, 75, 60, 55, 50, 45, 40, 35, 35, 30, 30, 25, 25, 25, 20, 20, 20, 20, 20, 15, 15, 15,
    15, 15, 10, 10, 10, 10, 10, 10, 10, 10, 9, 8, 7, 6, 5,
];

const WORDS: [&str; 12] = [
    "server",
    "cluster",
    "agent",
    "com.example.deploy",
    "true",
    "false",
    "import",
    "public class",
    "<property name=",
    "8443",
    "lorem",
    "\n",
];

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let made = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["app", folder] => app(Path::new(folder)),
        ["tiny", folder] => tiny(Path::new(folder)),
        ["far", folder] => far(Path::new(folder)),
        ["many", folder] => many(Path::new(folder)),
        ["change", folder] => change(Path::new(folder)),
        // Whoever runs all benches runs this one, too.
        [] => Ok(()),
        _ => Err(io::Error::other(
            "usage: cargo bench --bench trees -- app|tiny|far|many|change FOLDER",
        )),
    };
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn app(top: &Path) -> io::Result<()> {
    let mut random = Random(0x5eed_0001);
    fs::create_dir_all(top.join("lib"))?;
    for (number, size) in ARCHIVES.iter().enumerate() {
        noise(
            &mut random,
            &top.join(format!("lib/part-{number:02}.jar")),
            size * 1_000_000,
        )?;
    }
    for number in 0..8_000 - ARCHIVES.len() {
        let folder = top.join(format!(
            "opt/web/module-{:02}/{}",
            number % 60,
            ["conf", "bin", "static/js"][number % 3]
        ));
        fs::create_dir_all(&folder)?;
        let path = folder.join(format!("file-{number:04}.txt"));
        // Most are small: 6 kB is what they take in the middle.
        let size = 1_000 + random.below(100) * random.below(100) * 2;
        text(&mut random, &path, size.min(50_000))?;
        let mode = [0o644, 0o755, 0o640][number % 3];
        fs::set_permissions(&path, Permissions::from_mode(mode))?;
        if number % 80 == 0 {
            symlink(
                path.file_name().unwrap_or_default(),
                folder.join(format!("link-{number:04}")),
            )?;
        }
    }
    fs::create_dir_all(top.join("var/empty"))?;
    date(top)
}

fn tiny(top: &Path) -> io::Result<()> {
    let mut random = Random(0x5eed_0002);
    for number in 0..50_000 {
        let folder = top.join(format!("{:02x}/{:02x}", number % 25, number / 25 % 20));
        if number < 500 {
            fs::create_dir_all(&folder)?;
        }
        let size = 500 + random.below(2_000);
        text(&mut random, &folder.join(format!("{number}")), size)?;
    }
    date(top)
}

fn far(top: &Path) -> io::Result<()> {
    let mut random = Random(0x5eed_0003);
    for number in 0..5 {
        noise(
            &mut random,
            &top.join(format!("part-{number}.jar")),
            24_000_000,
        )?;
    }
    for number in 0..500 {
        text(&mut random, &top.join(format!("file-{number}.txt")), 16_000)?;
    }
    date(top)
}

fn many(top: &Path) -> io::Result<()> {
    for number in 0..200_000 {
        let folder = top.join(format!("{:03}", number % 400));
        if number < 400 {
            fs::create_dir_all(&folder)?;
        }
        let content = if number % 2 == 0 { "" } else { "a few words\n" };
        fs::write(folder.join(format!("{number}")), content)?;
    }
    date(top)
}

/// Another byte at the end of each hundredth file, by name, and a time of its own.
fn change(top: &Path) -> io::Result<()> {
    let mut files = files(top)?;
    files.sort();
    for path in files.iter().step_by(100) {
        let mut file = File::options().append(true).open(path)?;
        file.write_all(b"\n")?;
        file.set_modified(SystemTime::now())?;
    }
    Ok(())
}

/// The same times each time that the tree is made.
fn date(top: &Path) -> io::Result<()> {
    for (number, path) in (0..).zip(files(top)?) {
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000 + number, 123_456_789);
        File::options()
            .append(true)
            .open(path)?
            .set_times(FileTimes::new().set_modified(time))?;
    }
    Ok(())
}

fn files(top: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![top.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                found.push(entry.path());
            }
        }
    }
    Ok(found)
}

/// A file that nothing can compress.
fn noise(random: &mut Random, path: &Path, size: u64) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    for _ in 0..size / 8 {
        file.write_all(&random.next().to_le_bytes())?;
    }
    file.flush()
}

/// A file like a text.
fn text(random: &mut Random, path: &Path, size: u64) -> io::Result<()> {
    let size = usize::try_from(size).map_err(io::Error::other)?;
    let mut content = String::with_capacity(size + 32);
    while content.len() < size {
        let index = usize::try_from(random.below(WORDS.len() as u64)).map_err(io::Error::other)?;
        content.push_str(WORDS[index]);
        content.push(' ');
    }
    content.truncate(size);
    fs::write(path, content)
}

/// Xorshift: the same numbers each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}
