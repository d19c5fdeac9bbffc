//! A repository's history, the same one in every run.

use std::io::{self, Write};

/// Files in one folder, and folders in one above.
const IN_FOLDER: usize = 20;
/// Lines with names in them, as a program has: what zlib and deltas make of a text of few words
/// takes longer, and comes out smaller.
const LINES: [&str; 12] = [
    "let @ = @(@, &@)?;",
    "if @.@() {",
    "}",
    "return @;",
    "// The @ of a @ is its @, not that of @.",
    "self.@ = @.@(|@| @);",
    "for @ in @.@() {",
    "@: @,",
    "fn @(@: &@) -> @ {",
    "",
    "@(\"@ @\", @ + @);",
    "match @ { @ => @, _ => @ }",
];
const SYLLABLES: [&str; 16] = [
    "re", "in", "con", "de", "set", "ver", "pa", "ob", "ject", "ta", "lo", "ker", "min", "us",
    "ent", "str",
];
/// How many names there are.
const NAMES: usize = 800;

/// Files that grow and change, from which commits are made.
#[derive(Clone)]
pub struct History {
    random: Random,
    files: Vec<Vec<String>>,
    commits: usize,
    objects: usize,
}

impl History {
    /// One of so many files and without a commit.
    pub fn new(files: usize) -> Self {
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut file = |_| {
            let lines = 20 + random.below(120);
            (0..lines).map(|_| line(&mut random)).collect()
        };
        let files = (0..files).map(&mut file).collect();
        Self { random, files, commits: 0, objects: 0 }
    }

    /// How many commits it has.
    pub fn commits(&self) -> usize {
        self.commits
    }

    /// How many objects all its commits have.
    pub fn objects(&self) -> usize {
        self.objects
    }

    /// Writes commits to the branch `main` for git-fast-import(1), until there are so many of them
    /// and so many objects.
    ///
    /// # Errors
    /// Those of `import`.
    pub fn write(
        &mut self,
        import: &mut impl Write,
        commits: usize,
        objects: usize,
    ) -> io::Result<()> {
        let mut from = (self.commits > 0).then_some("from refs/heads/main^0\n");
        while self.commits < commits || self.objects < objects {
            let changed = match self.commits {
                0 => (0..self.files.len()).collect(),
                _ => self.change(),
            };
            self.commits += 1;
            self.objects += objects_of(&changed);
            let who =
                format!("Ada Lovelace <ada@contoso.com> {} +0000", 1_700_000_000 + self.commits);
            let message = format!("Change {}\n", self.commits);
            write!(import, "commit refs/heads/main\nauthor {who}\ncommitter {who}\n")?;
            write!(import, "data {}\n{message}{}", message.len(), from.take().unwrap_or_default())?;
            for file in changed {
                let text = self.files[file].concat();
                write!(import, "M 100644 inline {}\ndata {}\n{text}\n", path(file), text.len())?;
            }
        }
        Ok(())
    }

    /// Changes two files, as most commits do to few.
    fn change(&mut self) -> Vec<usize> {
        let first = self.random.below(self.files.len());
        let second = (first + 1 + self.random.below(self.files.len() - 1)) % self.files.len();
        for file in [first, second] {
            let lines = &mut self.files[file];
            for _ in 0..3 {
                let at = self.random.below(lines.len());
                lines[at] = line(&mut self.random);
            }
            // No two versions of a file are the same one.
            lines.push(format!("change {}\n", self.commits));
        }
        vec![first, second]
    }
}

fn path(file: usize) -> String {
    let folder = file / IN_FOLDER;
    format!("area-{}/part-{folder}/file-{file}.txt", folder / IN_FOLDER)
}

/// The files, the folders up to the root, and the commit.
fn objects_of(files: &[usize]) -> usize {
    let distinct = |size: usize| {
        let mut folders: Vec<usize> = files.iter().map(|file| file / size).collect();
        folders.sort_unstable();
        folders.dedup();
        folders.len()
    };
    files.len() + distinct(IN_FOLDER) + distinct(IN_FOLDER * IN_FOLDER) + 2
}

fn line(random: &mut Random) -> String {
    let mut line = "    ".repeat(random.below(4));
    for (number, part) in LINES[random.below(LINES.len())].split('@').enumerate() {
        if number > 0 {
            // A few names are everywhere.
            let most = 1 + random.below(NAMES);
            line += &name(random.below(most));
        }
        line += part;
    }
    line + "\n"
}

fn name(number: usize) -> String {
    // So that names that follow each other are not alike.
    let mixed = number * 2_654_435_761 % 65_536;
    let syllables = 1 + mixed % 4;
    (0..syllables).map(|at| SYLLABLES[(mixed >> (4 * at)) % SYLLABLES.len()]).collect()
}

/// Marsaglia's xorshift, since what comes of it must not change with a crate's version.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}
