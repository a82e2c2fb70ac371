//! What functions and tracepoints take.
//!
//! For each tracepoint the kernel (`include/trace/bpf_probe.h`) defines a type
//! `typedef void (*btf_trace_<name>)(void *, <its parameters>)`, the prototype that the verifier checks a `tp_btf`
//! program against. A typedef of a function pointer carries no parameter names; the function `__bpf_trace_<name>`, where
//! there is one, does: that is where the kernel itself looks for `__nullable` suffixes.

use super::{
    Btf, Stripped,
    header::u32_at,
    record::{Kind, PAIR, Record},
};

/// `BTF_INT_SIGNED`, in the encoding byte of an integer's word.
const INT_SIGNED: u8 = 1;

/// A parameter of a function or a tracepoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Empty where the BTF has none, as for [`Btf::tracepoint_parameters`] on most kernels.
    pub name: &'a str,
    /// Its type, without typedefs and qualifiers.
    pub type_ref: TypeRef<'a>,
}

/// A type, as far as it matters for a parameter. A type without a name of its own carries its typedef's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeRef<'a> {
    /// A pointer.
    Pointer(Pointee<'a>),
    /// An integer, `bool` or `char`.
    Integer {
        /// The C name: `unsigned int`.
        name: &'a str,
        /// In bytes.
        size: u32,
        /// Whether it is signed.
        signed: bool,
    },
    /// An enum.
    Enum {
        /// Its tag.
        name: &'a str,
        /// In bytes.
        size: u32,
    },
    /// A struct or union by value.
    Aggregate {
        /// Its tag.
        name: &'a str,
        /// In bytes.
        size: u32,
    },
    /// `...`
    Variadic,
    /// Anything else: a float, an array, or a type that the BTF does not hold.
    Other,
}

/// What a pointer points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pointee<'a> {
    /// `void *`
    Void,
    /// A struct or union by its tag, defined or only declared.
    Aggregate(&'a str),
    /// Anything else: an integer, another pointer, a function.
    Other,
}

impl<'a> Btf<'a> {
    /// Whether the kernel has a function `name`. It may be static; one that was inlined everywhere is absent.
    #[must_use]
    pub fn has_function(&self, name: &str) -> bool {
        self.named(&self.functions, name).next().is_some()
    }

    /// The parameters of the function `name`.
    #[must_use]
    pub fn function_parameters(&self, name: &str) -> Option<Vec<Parameter<'a>>> {
        self.named(&self.functions, name).find_map(|function| self.parameters(function.size_or_type))
    }

    /// The parameters that a `tp_btf` program on `tracepoint` gets: those of `btf_trace_<tracepoint>` without the
    /// leading `void *`, which the kernel keeps to itself.
    #[must_use]
    pub fn tracepoint_parameters(&self, tracepoint: &str) -> Option<Vec<Parameter<'a>>> {
        self.named(&self.typedefs, &format!("btf_trace_{tracepoint}")).find_map(|typedef| {
            let Stripped::Type { record, .. } = self.strip(typedef.size_or_type)? else { return None };
            if record.kind != Kind::Ptr {
                return None;
            }
            let mut parameters = self.parameters(record.size_or_type)?;
            if parameters.first()?.type_ref != TypeRef::Pointer(Pointee::Void) {
                return None;
            }
            parameters.remove(0);
            Some(parameters)
        })
    }

    /// The parameters of the function prototype `id`.
    fn parameters(&self, id: u32) -> Option<Vec<Parameter<'a>>> {
        let prototype = self.record(id).filter(|record| record.kind == Kind::FuncProto)?;
        (0..prototype.count as usize)
            .map(|n| {
                let at = prototype.body + n * PAIR;
                let name = u32_at(self.sections.types, at)?;
                let type_id = u32_at(self.sections.types, at + 4)?;
                Some(Parameter { name: self.name(name)?, type_ref: self.type_ref(type_id)? })
            })
            .collect()
    }

    fn type_ref(&self, id: u32) -> Option<TypeRef<'a>> {
        if id == 0 {
            return Some(TypeRef::Variadic);
        }
        let Stripped::Type { record, alias } = self.strip(id)? else { return Some(TypeRef::Other) };
        let size = record.size_or_type;
        Some(match record.kind {
            Kind::Ptr => TypeRef::Pointer(self.pointee(record.size_or_type)?),
            Kind::Int => {
                let [encoding, ..] = u32_at(self.sections.types, record.body)?.to_be_bytes();
                TypeRef::Integer { name: self.name(record.name)?, size, signed: encoding & INT_SIGNED != 0 }
            }
            Kind::Enum | Kind::Enum64 => TypeRef::Enum { name: self.own_name_or(&record, alias)?, size },
            Kind::Struct | Kind::Union => TypeRef::Aggregate { name: self.own_name_or(&record, alias)?, size },
            _ => TypeRef::Other,
        })
    }

    fn pointee(&self, id: u32) -> Option<Pointee<'a>> {
        Some(match self.strip(id)? {
            Stripped::Void => Pointee::Void,
            Stripped::Type { record, alias } if record.kind.is_aggregate() || record.kind == Kind::Fwd => {
                Pointee::Aggregate(self.own_name_or(&record, alias)?)
            }
            Stripped::Type { .. } => Pointee::Other,
        })
    }

    fn own_name_or(&self, record: &Record, alias: u32) -> Option<&'a str> {
        self.name(if self.is_name(record.name, b"") { alias } else { record.name })
    }
}
