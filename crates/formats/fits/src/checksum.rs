//! Checksums of HDUs: 32-bit one's-complement sums.
//!
//! - source: FITS Standard 4.0, sec. 4.4.2.7 and appendix J (Seaman, Pence & Rots)
//! - differs from the reference code: sums each byte position of the words apart, which keeps the
//!   loop in wide registers

/// A running sum over bytes that come in pieces of whole words.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sum(u64);

impl Sum {
    /// Add bytes; a last piece that is no whole word counts as if zeros followed.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<4>();
        // Two bytes of every word are summed in two halves of 32 bits: 256 words cannot overflow
        // them, and no word needs its bytes swapped.
        const HALVES: u32 = 0x00ff_00ff;
        for block in words.chunks(256) {
            let (mut even, mut odd) = (0u32, 0u32);
            for word in block {
                let w = u32::from_le_bytes(*word);
                even += w & HALVES;
                odd += w >> 8 & HALVES;
            }
            let sum = (u64::from(even & 0xffff) << 24)
                + (u64::from(odd & 0xffff) << 16)
                + (u64::from(even >> 16) << 8)
                + u64::from(odd >> 16);
            self.0 += sum;
        }
        self.0 = fold(self.0);
        if !rest.is_empty() {
            let mut word = [0; 4];
            word[..rest.len()].copy_from_slice(rest);
            self.0 = fold(self.0 + u64::from(u32::from_be_bytes(word)));
        }
    }

    pub(crate) fn value(self) -> u32 {
        self.0 as u32
    }
}

fn fold(mut sum: u64) -> u64 {
    while sum >> 32 != 0 {
        sum = (sum & 0xffff_ffff) + (sum >> 32);
    }
    sum
}

/// Sum of two sums.
pub(crate) fn combine(a: u32, b: u32) -> u32 {
    fold(u64::from(a) + u64::from(b)) as u32
}

/// The 16 characters that make the sum of the HDU -0 when they take the place of sixteen '0' of a
/// string at columns 12 to 27 of its card.
pub(crate) fn encode(sum: u32) -> String {
    const PUNCTUATION: [u8; 13] = *b":;<=>?@[\\]^_`";
    let complement = (!sum).to_be_bytes();
    let mut out = [0u8; 16];
    for (k, byte) in complement.into_iter().enumerate() {
        let (quotient, remainder) = (byte / 4 + b'0', byte % 4);
        let mut four = [quotient + remainder, quotient, quotient, quotient];
        // Letters and digits only: two characters move apart until none is punctuation.
        while four.iter().any(|c| PUNCTUATION.contains(c)) {
            for pair in four.chunks_exact_mut(2) {
                if pair.iter().any(|c| PUNCTUATION.contains(c)) {
                    pair[0] += 1;
                    pair[1] -= 1;
                }
            }
        }
        for (i, c) in four.into_iter().enumerate() {
            // The string starts one byte before a word of the card: rotate by one.
            out[(4 * i + k + 1) % 16] = c;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_the_plain_one() {
        let bytes: Vec<u8> =
            (0..100_003u32).map(|k| (k.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let mut plain = 0u64;
        for w in bytes.chunks(4) {
            let mut word = [0; 4];
            word[..w.len()].copy_from_slice(w);
            plain += u64::from(u32::from_be_bytes(word));
            plain = (plain & 0xffff_ffff) + (plain >> 32);
        }
        let mut sum = Sum::default();
        sum.add(&bytes[..40_000]);
        sum.add(&bytes[40_000..]);
        assert_eq!(u64::from(sum.value()), plain);
    }

    #[test]
    fn the_standards_example() {
        // Appendix J: 868229149 is encoded as hcHjjc9ghcEghc9g.
        assert_eq!(encode(868_229_149), "hcHjjc9ghcEghc9g");
    }
}
