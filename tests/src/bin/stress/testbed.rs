//! Where all scenarios take place: one network namespace with many addresses, and the sum of all resets provoked in it.

use crate::{
    arguments::StressArguments,
    load::{self, Load, Totals},
};
use anyhow::{Context as _, Result};
use rstmon_tests::{
    actor::Actor,
    interruption,
    machine::MachineLock,
    netns::NetworkPlace,
    random::SplitMix,
    stage::{Family, Stage},
};

/// Prefix of the names of all processes that provoke resets here.
pub(crate) const OURS: &str = "st-";

pub(crate) struct Testbed {
    pub(crate) arguments: StressArguments,
    /// Everything that was provoked so far, in all scenarios.
    pub(crate) all_totals: Totals,
    /// Seeded for each scenario: see [`Testbed::reseed`].
    pub(crate) random: SplitMix,
    stage: Stage,
    _alone: MachineLock,
}

impl Testbed {
    /// Makes the namespace, and locks the machine against tests that would provoke resets meanwhile.
    pub(crate) fn new(arguments: StressArguments) -> Result<Self> {
        let alone = MachineLock::exclusive()?;
        // Not earlier: a signal ends the wait for the lock at once.
        interruption::watch()?;
        let stage = Stage::loopback(Family::V4)?;
        // Makes a whole documentation prefix local; 127/8 is local already.
        stage.server().tool("ip -6 route add local 2001:db8::/32 dev lo")?;
        let random = SplitMix(arguments.seed);
        Ok(Self { arguments, all_totals: Totals::default(), random, stage, _alone: alone })
    }

    pub(crate) fn place(&self) -> &NetworkPlace {
        self.stage.server()
    }

    /// An address without a listener.
    pub(crate) fn closed_address(&self) -> String {
        // Below the ephemeral ports, which the kernel gives to connections.
        self.stage.server_address(20_777).to_string()
    }

    /// Seeds the random numbers for a scenario, so that they do not depend on the scenarios before it.
    pub(crate) fn reseed(&mut self, name: &str) {
        let mixed = name.bytes().fold(self.arguments.seed, |mixed, byte| SplitMix(mixed ^ u64::from(byte)).number());
        self.random = SplitMix(mixed);
    }

    /// Starts a process of the name `st-` and `name` in the namespace.
    pub(crate) fn actor(&self, name: &str) -> Result<Actor> {
        self.stage.server_actor(&format!("{OURS}{name}"))
    }

    /// Starts two processes for storms, one for each IP version.
    pub(crate) fn storms(&self) -> Result<Vec<Actor>> {
        Ok(vec![self.actor("storm4")?, self.actor("storm6")?])
    }

    /// Provokes `each` resets by each actor, all actors at the same time, and waits for their end.
    pub(crate) fn storm(&mut self, actors: &mut [Actor], each: u64) -> Result<Totals> {
        let commands = self.storm_commands(actors.len(), each);
        self.run(actors, &commands)
    }

    /// Runs a command in each actor, all at the same time, and waits for their end.
    pub(crate) fn run(&mut self, actors: &mut [Actor], commands: &[String]) -> Result<Totals> {
        let totals = load::once(actors, commands).context("the load")?;
        self.all_totals.add(&totals);
        Ok(totals)
    }

    /// Starts storms that go on until [`Testbed::end`].
    pub(crate) fn begin(&mut self, actors: Vec<Actor>) -> Load {
        let seeds = actors.iter().map(|_| SplitMix(self.random.number())).collect();
        Load::begin(actors, seeds)
    }

    /// Ends them. Every reset that they provoked has been received when this returns.
    pub(crate) fn end(&mut self, load: Load) -> Result<(Vec<Actor>, Totals)> {
        let (actors, totals) = load.end().context("the load")?;
        self.all_totals.add(&totals);
        Ok((actors, totals))
    }

    fn storm_commands(&mut self, count: usize, each: u64) -> Vec<String> {
        (0..count).map(|index| load::storm_command(index, each, self.random.number())).collect()
    }
}
