package match

import (
	"fmt"
	"strings"
	"testing"
)

// What a table finds is decided by the texts alone. With keys of zero all hashes are equal, so that nothing else can tell them apart: every
// text leads to one bucket and those behind it, under one tag. With weak keys they lead to a few buckets, and with others they are spread.
func TestTableComparesTexts(t *testing.T) {
	var names []string // of the same lengths again and again, and alike from either end
	for _, front := range []string{"a", "b", "aa", "ab.a", "b.a.ab", strings.Repeat("a", 40), strings.Repeat("a", 39) + "b", "b" + strings.Repeat("a", 39)} {
		for _, end := range []string{"a.a", "b.a", "ab.a", "a.ab.a", "bb.a.a.b.a", "a" + strings.Repeat(".a", 9)} {
			names = append(names, front+"."+end, end)
		}
	}
	names = append(names, strings.Repeat("a", 40)+".a")
	for i := range 40 { // that differ from it in one byte anywhere
		names = append(names, strings.Repeat("a", i)+"b"+strings.Repeat("a", 39-i)+".a")
	}
	for seed := range 40 {
		keys := []*hashKeys{new(hashKeys), newHashKeys(), weakKeys()}[seed%3]
		// Of a name and its subdomains a table has both, one or none.
		known := map[string]bool{}
		var texts []string
		for i, name := range names {
			for j, text := range []string{name, "*." + name} {
				if (i*7+j*3+seed)%(2+seed%5) == 0 && !known[text] && len(text) <= maxText {
					known[text] = true
					texts = append(texts, text)
				}
			}
		}
		table, slots, twice, err := newTable(keys, texts)
		if err != nil || twice {
			t.Fatal(twice, err)
		}
		s := &patternSet{keys: keys, names: table}
		slotOf := map[string]int32{}
		for i, text := range texts {
			slotOf[text] = int32(slots[i])
		}
		var hosts []Host
		for _, name := range names {
			for _, front := range []string{"", "a.", "b.", "aa.b.", "ab.ab.ab.ab."} {
				hosts = append(hosts, Host{front + name})
			}
		}
		for i, h := range hosts {
			want := firstOf(known, h.name)
			if f := s.first(h.name); f.text != want || f.slot != slotOf[want] || want != "" && f.kind != kindOf(want) {
				t.Fatalf("seed %d: %q finds %v, want %q in slot %d", seed, h.name, f, want, slotOf[want])
			}
			if at := i % batchSize; at == 0 {
				var finds [batchSize]found
				some := hosts[i:min(i+batchSize, len(hosts))]
				s.firsts(some, &finds)
				for j, h := range some {
					if want := firstOf(known, h.name); finds[j].text != want || finds[j].slot != slotOf[want] {
						t.Fatalf("seed %d: in a batch %q finds %v, want %q in slot %d", seed, h.name, finds[j], want, slotOf[want])
					}
				}
			}
		}
		n := 0
		table.all(func(p Pattern, slot int) {
			n++
			if slotOf[p.text] != int32(slot) || p.kind != kindOf(p.text) {
				t.Fatalf("seed %d: %v in slot %d", seed, p, slot)
			}
		})
		if n != len(texts) {
			t.Fatalf("seed %d: %d texts of %d", seed, n, len(texts))
		}
		for _, again := range []string{texts[0], texts[len(texts)-1]} {
			if _, _, twice, err := newTable(keys, append(texts, again)); !twice || err != nil {
				t.Fatalf("seed %d: %q is there twice: %t, %v", seed, again, twice, err)
			}
		}
	}
}

// weakKeys returns keys of which a hash has little but two bits to lead to a bucket: what has no room goes past buckets in use.
func weakKeys() *hashKeys {
	keys := new(hashKeys)
	for i := range keys.muls {
		keys.muls[i] = 1 << 62
	}
	return keys
}

// Every byte of a text, and its length, is in its hash: otherwise somebody could choose texts that meet.
func TestTableHashesAll(t *testing.T) {
	keys, known := newHashKeys(), map[uint64]string{}
	for n := range maxText + 1 {
		for i := range n + 1 { // as n: no byte is another
			text := []byte(strings.Repeat("a", n))
			if i < n {
				text[i] = 'b'
			}
			hash := keys.hash(string(text))
			if other, ok := known[hash]; ok {
				t.Fatalf("%q and %q have one hash", text, other)
			}
			known[hash] = string(text)
		}
	}
}

// An exact name and subdomains never have the same lane, whatever the hash, or "a.foo.com" could be found as "*.foo.com".
func TestTableLanes(t *testing.T) {
	for _, hash := range []uint64{0, ^uint64(0)} {
		for size := uint(1); size <= maxText; size++ {
			for exact := range uint(2) {
				if l := lane(hash, size, exact); l&1 != uint64(exact) || l>>8 != uint64(size) {
					t.Errorf("the lane of %d bytes and kind %d is %#x", size, exact, l)
				}
			}
		}
	}
}

// firstOf returns the most specific of the known patterns, exact names and subdomains, that name falls under.
func firstOf(known map[string]bool, name string) string {
	if known[name] {
		return name
	}
	for rest, ok := name, true; ok; {
		if _, rest, ok = strings.Cut(rest, "."); ok && known["*."+rest] {
			return "*." + rest
		}
	}
	return ""
}

// Tables of each number of texts, whatever keys they draw, have room for all of them, and nothing else in them.
func TestTableOfEachSize(t *testing.T) {
	var texts []string
	for n := range 300 {
		texts = append(texts, fmt.Sprintf("h%d.foo.com", n))
		for _, keys := range []*hashKeys{newHashKeys(), weakKeys(), new(hashKeys)} {
			table, slots, _, err := newTable(keys, texts)
			if err != nil {
				t.Fatal(err)
			}
			s := &patternSet{keys: keys, names: table}
			for i, text := range texts {
				if f := s.first(text); f.text != text || f.slot != int32(slots[i]) {
					t.Fatalf("of %d texts %q is not found in slot %d: %v", len(texts), text, slots[i], f)
				}
			}
			if _, _, twice, _ := newTable(keys, append(texts, texts[n/2])); !twice {
				t.Fatalf("of %d texts and %q again none is there twice", len(texts), texts[n/2])
			}
			var finds [batchSize]found
			hosts := []Host{{}, {"a"}, {"foo.com"}, {"h0.foo.com.net"}, {strings.Repeat("a", 60)}, {strings.Repeat("a.", 30) + "com"}, {strings.Repeat("a.", 126) + "a"}}
			s.firsts(hosts, &finds)
			for i, h := range hosts {
				if f := finds[i]; f != (found{}) || h.name != "" && s.first(h.name) != f {
					t.Fatalf("of %d texts %v finds %v", len(texts), h, f)
				}
			}
		}
	}
}
