//! `man/`: a page for the program and one for each command. Names and options come from the
//! definition of the command line; what it has no words for stands in `manual/`, as roff, one file a
//! page. `SNAPSHOTS=overwrite cargo test --test suite manual` writes the pages.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use snapbox::{Data, assert_data_eq};

/// When a page last changed in more than its looks; `man` shows it, and a build has no date.
const DATE: &str = "2026-11-25";
/// Where a page says what every command takes.
const GLOBAL: &str = "On every command";

#[test]
fn the_pages_say_what_the_command_line_takes() {
    let pages = pages();
    for (name, text) in &pages {
        assert_data_eq!(text, Data::read_from(&folder("man").join(name), None).raw());
    }
    assert_eq!(names("man"), pages.into_keys().collect::<Vec<_>>());
}

#[test]
fn every_page_has_its_own_words() {
    let of_pages: Vec<String> =
        pages().into_keys().map(|name| name.replace(".1", ".roff")).collect();
    assert_eq!(names("tests/suite/manual"), of_pages);
}

#[test]
fn what_is_hidden_is_in_no_page() {
    let pages = pages();
    for command in root().get_subcommands() {
        let page = pages.get(&format!("git-vsts-{}.1", command.get_name()));
        assert_eq!(page.is_none(), command.is_hide_set(), "{}", command.get_name());
        for argument in command.get_arguments().filter(|argument| argument.is_hide_set()) {
            let Some(long) = argument.get_long() else { continue };
            let option = long.replace('-', r"\-");
            assert!(page.is_none_or(|page| !page.contains(&option)), "{long}");
        }
    }
}

/// Every page by the name of its file.
fn pages() -> BTreeMap<String, String> {
    let root = root();
    let commands = root.get_subcommands().filter(|command| !command.is_hide_set());
    let pages = commands.map(|command| (file_of(command), page(command, &of_command(command))));
    pages.chain([(file_of(&root), page(&root, &of_program(&root)))]).collect()
}

/// The command line, built, without what clap adds of its own: `git vsts --help` shows the manual.
fn root() -> clap::Command {
    let mut root = git_vsts::cli::command().disable_help_subcommand(true);
    root.build();
    root
}

fn file_of(command: &clap::Command) -> String {
    format!("{}.1", command.get_display_name().unwrap_or("git-vsts"))
}

fn page(command: &clap::Command, options: &str) -> String {
    let name = file_of(command).replace(".1", "");
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").to_owned();
    let command = command.clone().override_usage(usage);
    let man = Man::new(command)
        .title(name.to_uppercase())
        .date(DATE)
        .source(format!("git vsts {}", env!("CARGO_PKG_VERSION")))
        .manual("Git Manual");
    let mut head = Vec::new();
    man.render_title(&mut head).unwrap();
    man.render_name_section(&mut head).unwrap();
    man.render_synopsis_section(&mut head).unwrap();
    let head = String::from_utf8(head).unwrap();
    // Each section comes with it.
    let (apostrophe, _) = head.split_once(".TH").expect("the title is first");
    let generated = apostrophe.to_owned() + &head.replace(apostrophe, "") + options;
    marked(&generated)
        + &fs::read_to_string(folder(&format!("tests/suite/manual/{name}.roff"))).unwrap()
}

/// What a command does, beyond the line that its name comes with.
fn description(roff: &mut Roff, command: &clap::Command) {
    let long = command.get_long_about().expect("every command is described").to_string();
    let mut paragraphs = long.split("\n\n").skip(1).peekable();
    assert!(paragraphs.peek().is_some(), "{} is not described", command.get_name());
    roff.control("SH", ["DESCRIPTION"]);
    for (index, paragraph) in paragraphs.enumerate() {
        if index > 0 {
            roff.control("PP", []);
        }
        roff.text([roman(paragraph)]);
    }
}

/// The options of a command, and where to find those of every command.
fn of_command(command: &clap::Command) -> String {
    let own = command.get_arguments().filter(|it| it.get_help_heading() != Some(GLOBAL));
    let mut roff = Roff::new();
    description(&mut roff, command);
    roff.control("SH", ["OPTIONS"]);
    options(&mut roff, own);
    roff.control("PP", []);
    roff.text([
        roman("What every command takes, its environment and its exit status are in "),
        bold("git-vsts"),
        roman("(1)."),
    ]);
    roff.to_roff()
}

/// The commands, and the options of every command.
fn of_program(root: &clap::Command) -> String {
    let mut roff = Roff::new();
    description(&mut roff, root);
    roff.control("SH", ["COMMANDS"]);
    for command in root.get_subcommands().filter(|command| !command.is_hide_set()) {
        let about = command.get_about().expect("every command says what it does").to_string();
        roff.control("TP", []);
        roff.text([bold(file_of(command).replace(".1", "")), roman("(1)")]);
        roff.text([roman(about)]);
    }
    roff.control("SH", ["OPTIONS"]);
    options(&mut roff, root.get_arguments());
    roff.to_roff()
}

fn options<'a>(roff: &mut Roff, arguments: impl Iterator<Item = &'a clap::Arg>) {
    let (named, unnamed): (Vec<_>, Vec<_>) = arguments
        .filter(|it| !it.is_hide_set() && it.get_id() != "help" && it.get_id() != "version")
        .partition(|it| it.get_long().is_some());
    for argument in unnamed.into_iter().chain(named) {
        roff.control("TP", []);
        roff.text([bold(head(argument))]);
        let help = argument.get_long_help().or_else(|| argument.get_help());
        let help = help.expect("every argument says what it is").to_string();
        for (index, paragraph) in help.split("\n\n").chain(values(argument).as_deref()).enumerate()
        {
            if index > 0 {
                roff.control("IP", []);
            }
            roff.text([roman(paragraph)]);
        }
    }
}

/// The values that an option takes, where they are few.
fn values(argument: &clap::Arg) -> Option<String> {
    let values = argument.get_possible_values();
    let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
    let name = argument.get_value_names().unwrap_or_default().join(" ");
    let is_choice = argument.get_action().takes_values() && !names.is_empty();
    is_choice.then(|| format!("{name} is one of {}.", names.join(", ")))
}

/// What stands in front of the words about an argument.
fn head(argument: &clap::Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default().join(" ");
    let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    let takes_value = argument.get_action().takes_values();
    match argument.get_long() {
        None => values,
        Some(long) if takes_value => format!("{short}--{long} {values}"),
        Some(long) => format!("{short}--{long}"),
    }
}

/// Shows what stands in backquotes as `man` shows a command.
fn marked(text: &str) -> String {
    let mut marked = String::new();
    for (index, part) in text.split('`').enumerate() {
        match index % 2 {
            0 => marked.push_str(part),
            _ => marked.push_str(&format!(r"\fB{part}\fR")),
        }
    }
    marked
}

fn folder(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The files of a folder, in order.
fn names(path: &str) -> Vec<String> {
    let entries = fs::read_dir(folder(path)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
