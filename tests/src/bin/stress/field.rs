//! The ground of all scenarios: one network namespace of many addresses, and the sum of all that was done on it.

use crate::{
    arguments::Arguments,
    load::{self, Load, Totals},
};
use anyhow::{Context as _, Result};
use rstmon_tests::{
    actor::Actor,
    interruption,
    machine::Machine,
    netns::Place,
    random::Random,
    stage::{Family, Stage},
};

/// How the name of every process begins that provokes resets here.
pub(crate) const OURS: &str = "st-";

/// Where it happens.
pub(crate) struct Field {
    /// What was asked for.
    pub(crate) arguments: Arguments,
    /// Everything that was provoked so far, in all scenarios.
    pub(crate) grand: Totals,
    /// This scenario's randomness.
    pub(crate) random: Random,
    stage: Stage,
    _alone: Machine,
}

impl Field {
    /// A fresh namespace, on a machine where no test provokes resets meanwhile.
    pub(crate) fn new(arguments: Arguments) -> Result<Self> {
        let alone = Machine::exclusive()?;
        // Not earlier: that wait is ended by any signal, and there is nothing to put away.
        interruption::watch()?;
        let stage = Stage::loopback(Family::V4)?;
        // All of a documentation prefix is this namespace's own; 127/8 is already.
        stage.server().tool("ip -6 route add local 2001:db8::/32 dev lo")?;
        let random = Random(arguments.seed);
        Ok(Self { arguments, grand: Totals::default(), random, stage, _alone: alone })
    }

    /// The namespace.
    pub(crate) fn place(&self) -> &Place {
        self.stage.server()
    }

    /// An address where nobody listens.
    pub(crate) fn nobody(&self) -> String {
        // Below the ephemeral ports, so that the kernel gives it to nobody.
        self.stage.server_address(20_777).to_string()
    }

    /// Makes the randomness a scenario's own: the same, whatever was played before it.
    pub(crate) fn reseed(&mut self, name: &str) {
        let mixed = name.bytes().fold(self.arguments.seed, |mixed, byte| Random(mixed ^ u64::from(byte)).number());
        self.random = Random(mixed);
    }

    /// A process here, of the name `st-` and this.
    pub(crate) fn actor(&self, name: &str) -> Result<Actor> {
        self.stage.server_actor(&format!("{OURS}{name}"))
    }

    /// Two storms' processes, one an IP version.
    pub(crate) fn storms(&self) -> Result<Vec<Actor>> {
        Ok(vec![self.actor("storm4")?, self.actor("storm6")?])
    }

    /// Has each storm provoke `each` resets, all at once, and waits for them.
    pub(crate) fn storm(&mut self, actors: &mut [Actor], each: u64) -> Result<Totals> {
        let commands = self.storm_commands(actors.len(), each);
        self.run(actors, &commands)
    }

    /// Has each actor carry out its command, all at once, and waits for them.
    pub(crate) fn run(&mut self, actors: &mut [Actor], commands: &[String]) -> Result<Totals> {
        let totals = load::once(actors, commands).context("the load")?;
        self.grand.add(&totals);
        Ok(totals)
    }

    /// Begins storms that go on until [`Field::end`].
    pub(crate) fn begin(&mut self, actors: Vec<Actor>) -> Load {
        let seeds = actors.iter().map(|_| Random(self.random.number())).collect();
        Load::begin(actors, seeds)
    }

    /// Ends them: every reset that they provoked has been received.
    pub(crate) fn end(&mut self, load: Load) -> Result<(Vec<Actor>, Totals)> {
        let (actors, totals) = load.end().context("the load")?;
        self.grand.add(&totals);
        Ok((actors, totals))
    }

    fn storm_commands(&mut self, count: usize, each: u64) -> Vec<String> {
        (0..count).map(|index| load::storm_command(index, each, self.random.number())).collect()
    }
}
