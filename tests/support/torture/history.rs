//! A pipeline that is changed again and again while its process is killed, its calls fail and its permissions lack
//! something, on an emulator that is as late as AWS. After each change the world has to be what a first run of the
//! same file makes.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use llmhost_emulator::testing::Dice;

use super::courses::{Choice, Course, index};
use super::process::{said, succeed, wait};
use super::{Chamber, Disturbance, Doing, End, FILE, HEAD, World};
use crate::support::{ACCESS_KEY, SECRET_KEY, without};

/// After the first run, how often it is changed before it is destroyed.
const CHANGES: usize = 5;
/// A new world begins after so many.
const HISTORIES_OF_A_WORLD: usize = 4;
/// How long what was made may be out of sight.
const LATE: Duration = Duration::from_millis(400);
const ACCOUNT: &str = "123456789012";

/// One pipeline's history, and what its files make where nothing disturbs them.
pub struct History {
    chamber: Chamber,
    /// Where the files are run for the first time.
    mirror: Chamber,
    course: Course,
    dice: Dice,
    /// The world that a file makes.
    wholes: HashMap<Choice, World>,
    /// None before the first run.
    now: Option<Choice>,
    age: usize,
    /// How many histories this world has had.
    ended: usize,
    /// Faults and refusals, and how often a run met them.
    pub met: BTreeMap<String, usize>,
}

impl History {
    pub async fn begin(course: Course, seed: u64) -> Self {
        let (chamber, mirror) = (Chamber::empty().await, Chamber::empty().await);
        let (wholes, met) = (HashMap::new(), BTreeMap::new());
        Self { chamber, mirror, course, dice: Dice::of(seed), wholes, now: None, age: 0, ended: 0, met }
    }

    /// A new world for the next change, after one that went wrong.
    pub async fn renew(&mut self) {
        self.chamber = Chamber::empty().await;
        self.mirror = Chamber::empty().await;
        (self.now, self.age, self.ended) = (None, 0, 0);
    }

    /// Whether the next change begins with nothing there.
    pub fn is_over(&self) -> bool {
        self.now.is_none()
    }

    /// Whether nothing is there and so much was that the emulator has become slow.
    pub fn is_worn(&self) -> bool {
        self.is_over() && self.ended >= HISTORIES_OF_A_WORLD
    }

    /// Makes the next change, or at the end of a history destroys everything.
    pub async fn go_on(&mut self) -> Result<End, String> {
        self.age += 1;
        let next = match &self.now {
            _ if self.age > CHANGES + 1 => None,
            Some(now) => Some(self.course.next(now, &mut self.dice)),
            None => Some(self.course.first(&mut self.dice)),
        };
        let what = format!("{:?} -> {next:?}", self.now);
        let ended = self.change(next.as_ref()).await.map_err(|reason| format!("{what}: {reason}"))?;
        if next.is_none() {
            self.age = 0;
            self.ended += 1;
        }
        self.now = next;
        Ok(ended)
    }

    async fn change(&mut self, next: Option<&Choice>) -> Result<End, String> {
        let (doing, wanted) = match next {
            Some(next) => (Doing::Run, self.whole(next).await?),
            None => (Doing::Destroy, self.chamber.empty.clone()),
        };
        if let Some(next) = next {
            self.chamber.scene.write(FILE, self.course.file(next));
        }
        let policy = self.chamber.policy(doing).await?;
        // As the user is made, it is there.
        self.late(Duration::ZERO)?;
        let disturbance = self.disturbance();
        let lacking = match self.dice.draw(6) {
            0 => Some(self.chamber.lessen(&policy, &mut self.dice)),
            _ => None,
        };
        self.late(LATE)?;
        let ended = match &disturbance {
            Some(disturbance) => self.chamber.disturbed(doing, disturbance).await?,
            None => self.chamber.plainly(doing, lacking.as_deref()).await?,
        };
        if let Some(action) = lacking {
            *self.met.entry(format!("not allowed: {action}")).or_default() += 1;
            self.late(Duration::ZERO)?;
            self.chamber.allow(&policy);
            self.late(LATE)?;
        }
        self.chamber.as_planned(doing).await?;
        for (fault, count) in self.chamber.proxy.take_met() {
            *self.met.entry(fault).or_default() += count;
        }
        self.late(Duration::ZERO)?;
        let difference = wanted.difference(&self.chamber.looker.look());
        if !difference.is_none() {
            return Err(format!("afterwards the world is another: {difference:#?}"));
        }
        if doing == Doing::Run {
            self.chamber.nothing_left().await?;
        }
        Ok(ended)
    }

    /// What a first run of this file makes.
    async fn whole(&mut self, choice: &Choice) -> Result<World, String> {
        if let Some(whole) = self.wholes.get(choice) {
            return Ok(whole.clone());
        }
        let mirror = &mut self.mirror;
        mirror.scene.write(FILE, self.course.file(choice));
        mirror.undisturbed(Doing::Run).await?;
        let whole = mirror.looker.look();
        mirror.undisturbed(Doing::Destroy).await?;
        mirror.whole = mirror.empty.clone();
        mirror.compare(Doing::Destroy)?;
        self.wholes.insert(choice.clone(), whole.clone());
        Ok(whole)
    }

    fn late(&mut self, longest: Duration) -> Result<(), String> {
        let seed = self.dice.draw(1 << 32);
        self.chamber.emulator.lag(seed, longest).map_err(|error| error.to_string())
    }

    fn disturbance(&mut self) -> Option<Disturbance> {
        let calls = self.course.calls;
        match self.dice.draw(6) {
            0 | 1 => {
                let call = usize::try_from(self.dice.draw(calls)).expect("a small number");
                Some(Disturbance::KillAt { call, after: self.dice.draw(2) == 0 })
            }
            2 => Some(Disturbance::KillAtLine(1 + usize::try_from(self.dice.draw(2 * calls)).expect("a small number"))),
            3 => Some(Disturbance::KillIn(Duration::from_millis(self.dice.draw(3_000)))),
            4 => Some(Disturbance::Faults(self.dice.draw(1 << 32))),
            _ => None,
        }
    }
}

/// What a run says of itself: how many it would create, update, replace and delete, or did.
fn numbers(words: &str, line: &str, verbs: [&str; 4]) -> Option<[usize; 4]> {
    let line = words.lines().find(|said| said.starts_with(line))?;
    let number = |verb: &str| {
        let before = line.split_once(verb)?.0;
        before.rsplit([' ', ',']).find(|word| !word.is_empty())?.parse().ok()
    };
    let [a, b, c, d] = verbs.map(number);
    Some([a?, b?, c?, d?])
}

impl Chamber {
    /// An emulator in which nothing was made yet, and a folder without a pipeline.
    async fn empty() -> Self {
        let mut chamber = Self::with(super::pipelines::BASE).await;
        chamber.scene.write(FILE, HEAD);
        let everything = serde_json::json!([{ "Effect": "Allow", "Action": ["*"], "Resource": ["*"] }]);
        chamber.allow(&serde_json::json!({ "Version": "2012-10-17", "Statement": everything }));
        chamber
    }

    /// What llmhost says that the next command needs, granted to the user that runs it.
    async fn policy(&mut self, doing: Doing) -> Result<serde_json::Value, String> {
        let purpose = if doing == Doing::Run { "run" } else { "destroy" };
        let mut command = self.piped(&["policy", FILE, "--account", ACCOUNT, "--for", purpose]);
        let output = wait(command.spawn().expect("llmhost starts")).await?;
        let policy = serde_json::from_slice(&output.stdout);
        let policy = policy.map_err(|error| format!("policy: {error}: {}", said(&output)))?;
        self.allow(&policy);
        Ok(policy)
    }

    fn allow(&mut self, policy: &serde_json::Value) {
        let file = self.scene.write("policy.json", policy.to_string());
        self.key = self.looker.caller(&file);
    }

    /// Takes one action out of the policy, and gives its name.
    fn lessen(&mut self, policy: &serde_json::Value, dice: &mut Dice) -> String {
        let actions = |one: &serde_json::Value| one["Action"].as_array().expect("actions").clone();
        let statements = policy["Statement"].as_array().expect("statements");
        let all: Vec<_> = statements.iter().flat_map(actions).collect();
        let out = all[index(dice, all.len())].as_str().expect("a name");
        self.allow(&without(policy, &[out]));
        out.to_owned()
    }

    /// A command that nothing disturbs, but that may lack a permission: then it says which.
    async fn plainly(&self, doing: Doing, lacking: Option<&str>) -> Result<End, String> {
        let output = wait(self.command(doing, self.proxy.url()).spawn().expect("llmhost starts")).await?;
        let words = said(&output);
        match lacking {
            _ if output.status.success() => Ok(End::Whole),
            Some(action) if words.contains(action) => Ok(End::Stopped),
            _ => Err(format!("without {lacking:?} it ended with {words}")),
        }
    }

    /// A whole command that does what it showed.
    async fn as_planned(&self, doing: Doing) -> Result<(), String> {
        let words = self.undisturbed_words(doing).await?;
        if doing == Doing::Destroy || words.contains("No changes") {
            return Ok(());
        }
        let planned = numbers(&words, "Plan:", [" to create", " to update", " to replace", " to delete"]);
        let done = numbers(&words, "Done:", [" created", " updated", " replaced", " deleted"]);
        // A run of moves alone says that nothing was done.
        let is_move = planned == Some([0; 4]) && words.contains("Done: 0 changes");
        match planned.is_some() && planned == done || is_move {
            true => Ok(()),
            false => Err(format!("planned {planned:?}, done {done:?}: {words}")),
        }
    }

    /// The next plan is empty, and nothing has drifted.
    async fn nothing_left(&self) -> Result<(), String> {
        for args in [&["run", FILE, "--dry-run"][..], &["drift", FILE, "--exit-code"]] {
            let command = self.piped(&[args, &["--endpoint-url", self.proxy.url()]].concat());
            let words = succeed(&format!("after it, {args:?}"), command).await?;
            if args[0] == "run" && !words.contains("No changes") {
                return Err(format!("after it, {args:?} says {words}"));
            }
        }
        Ok(())
    }

    /// The credentials of whoever made the emulator.
    pub(super) fn root() -> [String; 2] {
        [ACCESS_KEY.to_owned(), SECRET_KEY.to_owned()]
    }
}
