//! An encoder of BTF blobs, written from the format's description and sharing nothing with the reader.

use super::super::Btf;
use std::hint::black_box;

/// `BTF_INT_SIGNED`, as the encoding of an integer.
pub(super) const SIGNED: u32 = 1;

/// A member: name, type id, offset word.
pub(super) type MemberWords<'n> = (&'n str, u32, u32);

/// A BTF blob under construction; every method that adds a type returns its id.
pub(super) struct Builder {
    types: Vec<u8>,
    strings: Vec<u8>,
    layout: Option<Vec<[u8; 4]>>,
    count: u32,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self { types: Vec::new(), strings: vec![0], layout: None, count: 0 }
    }

    pub(super) fn string(&mut self, text: &str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        let at = u32::try_from(self.strings.len()).expect("a small blob");
        self.strings.extend_from_slice(text.as_bytes());
        self.strings.push(0);
        at
    }

    /// Add a record of any kind.
    pub(super) fn raw(
        &mut self,
        name: &str,
        kind: u32,
        flag: bool,
        count: usize,
        size_or_type: u32,
        body: &[u32],
    ) -> u32 {
        let info = u32::from(flag) << 31 | kind << 24 | u32::try_from(count).expect("a small type");
        let name = self.string(name);
        for word in [name, info, size_or_type].iter().chain(body) {
            self.types.extend_from_slice(&word.to_ne_bytes());
        }
        self.count += 1;
        self.count
    }

    /// The id of the type that is added next.
    pub(super) fn next_id(&self) -> u32 {
        self.count + 1
    }

    pub(super) fn int(&mut self, name: &str, size: u32, encoding: u32) -> u32 {
        self.partial_int(name, size, encoding, 0, size * 8)
    }

    /// An integer of fewer bits than its bytes have: the old encoding of bit-fields.
    pub(super) fn partial_int(&mut self, name: &str, size: u32, encoding: u32, offset: u32, bits: u32) -> u32 {
        self.raw(name, 1, false, 0, size, &[encoding << 24 | offset << 16 | bits])
    }

    pub(super) fn pointer(&mut self, to: u32) -> u32 {
        self.raw("", 2, false, 0, to, &[])
    }

    pub(super) fn array(&mut self, of: u32, length: u32) -> u32 {
        self.raw("", 3, false, 0, 0, &[of, of, length])
    }

    pub(super) fn structure(&mut self, name: &str, size: u32, members: &[MemberWords<'_>]) -> u32 {
        self.aggregate(4, name, false, size, members)
    }

    pub(super) fn union(&mut self, name: &str, size: u32, members: &[MemberWords<'_>]) -> u32 {
        self.aggregate(5, name, false, size, members)
    }

    /// A struct with `kind_flag`: its offset words hold `width << 24 | bit offset`.
    pub(super) fn flagged_structure(&mut self, name: &str, size: u32, members: &[MemberWords<'_>]) -> u32 {
        self.aggregate(4, name, true, size, members)
    }

    fn aggregate(&mut self, kind: u32, name: &str, flag: bool, size: u32, members: &[MemberWords<'_>]) -> u32 {
        let mut body = Vec::new();
        for (member, id, word) in members {
            body.extend([self.string(member), *id, *word]);
        }
        self.raw(name, kind, flag, members.len(), size, &body)
    }

    pub(super) fn enumeration(&mut self, name: &str, signed: bool, variants: &[(&str, i32)]) -> u32 {
        let mut body = Vec::new();
        for (variant, value) in variants {
            body.extend([self.string(variant), value.cast_unsigned()]);
        }
        self.raw(name, 6, signed, variants.len(), 4, &body)
    }

    pub(super) fn enumeration64(&mut self, name: &str, signed: bool, variants: &[(&str, u64)]) -> u32 {
        let mut body = Vec::new();
        for (variant, value) in variants {
            let [low, high] = [value & 0xffff_ffff, value >> 32].map(|half| u32::try_from(half).expect("32 bits"));
            body.extend([self.string(variant), low, high]);
        }
        self.raw(name, 19, signed, variants.len(), 8, &body)
    }

    pub(super) fn forward(&mut self, name: &str) -> u32 {
        self.raw(name, 7, false, 0, 0, &[])
    }

    pub(super) fn typedef(&mut self, name: &str, of: u32) -> u32 {
        self.raw(name, 8, false, 0, of, &[])
    }

    pub(super) fn volatile(&mut self, of: u32) -> u32 {
        self.raw("", 9, false, 0, of, &[])
    }

    pub(super) fn constant(&mut self, of: u32) -> u32 {
        self.raw("", 10, false, 0, of, &[])
    }

    pub(super) fn type_tag(&mut self, tag: &str, of: u32) -> u32 {
        self.raw(tag, 18, false, 0, of, &[])
    }

    pub(super) fn prototype(&mut self, parameters: &[(&str, u32)]) -> u32 {
        let mut body = Vec::new();
        for (parameter, id) in parameters {
            body.extend([self.string(parameter), *id]);
        }
        self.raw("", 13, false, parameters.len(), 0, &body)
    }

    pub(super) fn function(&mut self, name: &str, prototype: u32) -> u32 {
        self.raw(name, 12, false, 0, prototype, &[])
    }

    /// Set the length of each kind's record, from kind 0 on: `(after the fixed part, each element)`.
    pub(super) fn layout(&mut self, entries: &[(u8, u8)]) {
        self.layout = Some(entries.iter().map(|(info, element)| [*info, *element, 0, 0]).collect());
    }

    pub(super) fn build(&self) -> Vec<u8> {
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).expect("a small blob");
        let layout = self.layout.clone().unwrap_or_default().concat();
        let (types, strings) = (length(&self.types), length(&self.strings));
        let mut blob = 0xeb9f_u16.to_ne_bytes().to_vec();
        blob.extend([1, 0]);
        let header = if self.layout.is_some() { 32 } else { 24 };
        let mut words = vec![header, 0, types, types + length(&layout), strings];
        if self.layout.is_some() {
            words.extend([types, length(&layout)]);
        }
        blob.extend(words.iter().flat_map(|word| word.to_ne_bytes()));
        blob.extend([self.types.as_slice(), &layout, &self.strings].concat());
        blob
    }
}

/// Run `check` on the parsed blob.
pub(super) fn with_btf<T>(builder: &Builder, check: impl FnOnce(&Btf<'_>) -> T) -> T {
    let blob = builder.build();
    check(&Btf::parse(&blob).expect("the builder makes valid BTF"))
}

/// A blob with one of everything, for tests that damage it.
pub(super) fn specimen() -> Builder {
    let mut b = Builder::new();
    let int = b.int("int", 4, SIGNED);
    let long = b.int("long unsigned int", 8, 0);
    let void = b.pointer(0);
    let number = b.typedef("number_t", int);
    let constant = b.constant(number);
    let array = b.array(constant, 3);
    let union = b.union("", 8, &[("word", long, 0), ("half", int, 0)]);
    let deep = b.flagged_structure("", 8, &[("", union, 0)]);
    let inner = b.structure("inner", 16, &[("", deep, 0), ("list", array, 64)]);
    let outer = b.flagged_structure(
        "outer",
        48,
        &[("embedded", inner, 64), ("flag", int, (1 << 24) + 193), ("next", void, 256), ("", deep, 320)],
    );
    let state = b.enumeration("state", true, &[("DOWN", -1), ("UP", 1)]);
    b.enumeration64("wide", false, &[("LOW", 1), ("HIGH", 1 << 40)]);
    let declared = b.forward("declared");
    let [outer_pointer, declared_pointer] = [outer, declared].map(|to| b.pointer(to));
    let prototype = b.prototype(&[("", void), ("", outer_pointer), ("", state), ("", declared_pointer)]);
    let pointer = b.pointer(prototype);
    b.typedef("btf_trace_happened", pointer);
    b.function("do_it", prototype);
    let variable = b.raw("variable", 14, false, 0, int, &[1]);
    b.raw(".data", 15, false, 1, 4, &[variable, 0, 4]);
    b.raw("double", 16, false, 0, 8, &[]);
    b.raw("tag", 17, false, 0, outer, &[u32::MAX]);
    b.type_tag("user", outer);
    b
}

/// Do every look-up that the specimen has a result for, and more. For damaged input only that they return matters.
pub(super) fn interrogate(btf: &Btf<'_>) {
    for aggregate in ["outer", "inner", "absent", ""] {
        for path in ["word", "half", "embedded.word", "embedded.list", "flag", "next", "embedded", "", ".", "a.b.c"] {
            black_box(btf.member(aggregate, path));
        }
    }
    for name in ["state", "wide", "absent"] {
        black_box(btf.enum_variants(name));
    }
    black_box(btf.tracepoint_arity("happened"));
    black_box(btf.has_function("do_it"));
}
