//! What a loader sees in an object, independent of the order of instructions that a compiler chose: the programs and
//! where they attach, the definitions of the maps, the globals and their initial values, the licence. Two objects from
//! the same sources by different compilers have the same shape.

use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};
use std::{collections::BTreeMap, fmt};

/// Why an object cannot be compared.
#[derive(Debug, thiserror::Error)]
pub(super) enum ShapeError {
    #[error("the object is not a valid ELF file")]
    Elf(#[from] object::Error),
    #[error("the object cannot be loaded")]
    Load(#[from] aya_obj::ParseError),
    #[error("the object contains no program")]
    NoProgram,
}

/// The kind of a part. Names are unique within a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum PartKind {
    Licence,
    Program,
    Map,
    Global,
}

impl fmt::Display for PartKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Licence => "licence",
            Self::Program => "program",
            Self::Map => "map",
            Self::Global => "global",
        })
    }
}

/// The parts of an object, each with its description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape(BTreeMap<(PartKind, String), String>);

/// A part that differs between both objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    kind: PartKind,
    name: String,
    committed: Option<String>,
    rebuilt: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, name, committed, rebuilt } = self;
        let (committed, rebuilt) = (committed.as_deref(), rebuilt.as_deref());
        write!(f, "{kind} {name}: committed {}, rebuilt {}", committed.unwrap_or("-"), rebuilt.unwrap_or("-"))
    }
}

impl Shape {
    /// Reads an object, first with aya, as the loader does: an object that aya cannot parse is refused.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, ShapeError> {
        let loaded = aya_obj::Object::parse(bytes)?;
        if loaded.programs.is_empty() {
            return Err(ShapeError::NoProgram);
        }
        let mut parts = BTreeMap::new();
        let licence = loaded.license.to_string_lossy().into_owned();
        parts.insert((PartKind::Licence, String::new()), licence);
        // The sections of globals appear as maps as well; their layout depends on the compiler.
        for (name, map) in loaded.maps.iter().filter(|(name, _)| !name.starts_with('.')) {
            parts.insert((PartKind::Map, name.clone()), describe_map(map));
        }
        let elf = object::File::parse(bytes)?;
        for symbol in elf.symbols() {
            let Some(section) = symbol.section_index() else { continue };
            let section = elf.section_by_index(section)?;
            let (section_name, name) = (section.name()?, symbol.name()?.to_owned());
            if loaded.programs.contains_key(&name) && symbol.kind() == SymbolKind::Text {
                parts.insert((PartKind::Program, name), section_name.to_owned());
            } else if symbol.is_global() && is_data(section_name) {
                let value = section.data_range(symbol.address(), symbol.size())?.unwrap_or_default();
                parts.insert((PartKind::Global, name), format!("{section_name} {} = {}", symbol.size(), hex(value)));
            }
        }
        Ok(Self(parts))
    }

    /// The differences between this, the committed object, and the rebuilt one.
    pub(super) fn differences(&self, rebuilt: &Self) -> Vec<Difference> {
        let mut keys: Vec<_> = self.0.keys().chain(rebuilt.0.keys()).collect();
        keys.sort();
        keys.dedup();
        keys.into_iter()
            .filter(|key| self.0.get(key) != rebuilt.0.get(key))
            .map(|key| Difference {
                kind: key.0,
                name: key.1.clone(),
                committed: self.0.get(key).cloned(),
                rebuilt: rebuilt.0.get(key).cloned(),
            })
            .collect()
    }
}

fn describe_map(map: &aya_obj::Map) -> String {
    format!(
        "type {} key {} value {} entries {} flags {:#x} extra {} pinning {:?}{}",
        map.map_type(),
        map.key_size(),
        map.value_size(),
        map.max_entries(),
        map.map_flags(),
        map.map_extra(),
        map.pinning(),
        map.inner().map(|inner| format!(" of ({})", describe_map(&inner))).unwrap_or_default(),
    )
}

/// Whether the section contains variables: `.rodata`, `.data`, `.bss` and their subsections.
fn is_data(section: &str) -> bool {
    [".rodata", ".data", ".bss"].iter().any(|kind| section.starts_with(kind))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(parts: &[(PartKind, &str, &str)]) -> Shape {
        Shape(parts.iter().map(|&(kind, name, text)| ((kind, name.to_owned()), text.to_owned())).collect())
    }

    #[test]
    fn a_shape_does_not_differ_from_itself() {
        let shape = shape(&[(PartKind::Program, "sent", "tp_btf/tcp_send_reset"), (PartKind::Map, "COUNTS", "type 5")]);
        assert_eq!(shape.differences(&shape), []);
    }

    #[test]
    fn every_difference_names_both_sides() {
        let committed =
            shape(&[(PartKind::Program, "sent", "tp_btf/tcp_send_reset"), (PartKind::Map, "COUNTS", "type 5")]);
        let rebuilt =
            shape(&[(PartKind::Map, "COUNTS", "type 6"), (PartKind::Global, "OFFSET", ".rodata 4 = 00000000")]);
        let found: Vec<String> = committed.differences(&rebuilt).iter().map(ToString::to_string).collect();
        let expected = [
            "program sent: committed tp_btf/tcp_send_reset, rebuilt -",
            "map COUNTS: committed type 5, rebuilt type 6",
            "global OFFSET: committed -, rebuilt .rodata 4 = 00000000",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(matches!(Shape::parse(b"no object"), Err(ShapeError::Load(_))));
    }

    #[test]
    fn constants_of_the_compiler_sit_in_data_sections() {
        assert!(is_data(".rodata") && is_data(".rodata.cst16") && is_data(".bss"));
        assert!(!is_data("maps") && !is_data(".maps") && !is_data("license"));
    }
}
