// Verifies a log folder with golang.org/x/mod/sumdb alone: note signature, tiles, every record, inclusion proofs, and that older
// checkpoints are continued.
//
// Usage: verify DIR VKEY [OLDER-CHECKPOINT...]    Exit: 0 verified ("ok SIZE"), 1 not (reason on stderr).
//        verify -proof PROOF RECORD VKEY          a C2SP tlog-proof of the record in a file, without the log ("ok INDEX").
package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
)

// tiles reads tile files: C2SP paths are those of sumdb without the height.
type tiles struct{ dir string }

func (t tiles) Height() int { return height }

func (t tiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range list {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(t.dir, path))
		if err != nil {
			return nil, err
		}
		if len(data) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s has %d bytes", path, len(data))
		}
		all = append(all, data)
	}
	return all, nil
}

func (t tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func openCheckpoint(path, vkey string) (tlog.Tree, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return tlog.Tree{}, err
	}
	return parseCheckpoint(data, vkey)
}

func parseCheckpoint(data []byte, vkey string) (tlog.Tree, error) {
	var tree tlog.Tree
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tree, err
	}
	opened, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tree, err
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() {
		return tree, errors.New("the checkpoint is not origin, size and root")
	}
	if tree.N, err = strconv.ParseInt(lines[1], 10, 64); err != nil {
		return tree, err
	}
	tree.Hash, err = tlog.ParseHash(lines[2])
	return tree, err
}

func readBundle(dir string, n, size int64) ([][]byte, error) {
	tile := tlog.Tile{H: height, L: 0, N: n, W: width}
	if size-n*width < width {
		tile.W = int(size - n*width)
	}
	path := strings.Replace(tile.Path(), "tile/8/0/", "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		return nil, err
	}
	var records [][]byte
	for len(data) > 0 {
		if len(data) < 2 || len(data)-2 < int(binary.BigEndian.Uint16(data)) {
			return nil, fmt.Errorf("%s ends inside a record", path)
		}
		end := 2 + int(binary.BigEndian.Uint16(data))
		records = append(records, data[2:end])
		data = data[end:]
	}
	if len(records) != tile.W {
		return nil, fmt.Errorf("%s holds %d records, not %d", path, len(records), tile.W)
	}
	return records, nil
}

func checkRecord(record []byte, seq int64) error {
	var event struct {
		Seq  *int64
		Time string
	}
	if !utf8.Valid(record) {
		return errors.New("not UTF-8")
	}
	if err := json.Unmarshal(record, &event); err != nil {
		return err
	}
	if event.Seq == nil || *event.Seq != seq || event.Time == "" {
		return errors.New("wrong seq or no time")
	}
	return nil
}

func checkBundle(dir string, n int64, tree tlog.Tree, hashes tlog.HashReader) error {
	records, err := readBundle(dir, n, tree.N)
	if err != nil {
		return err
	}
	var indexes []int64
	for i := range records {
		indexes = append(indexes, tlog.StoredHashIndex(0, n*width+int64(i)))
	}
	leaves, err := hashes.ReadHashes(indexes)
	if err != nil {
		return err
	}
	for i, record := range records {
		seq := n*width + int64(i)
		if tlog.RecordHash(record) != leaves[i] {
			return fmt.Errorf("record %d is not in the tree", seq)
		}
		if err := checkRecord(record, seq); err != nil {
			return fmt.Errorf("record %d: %v", seq, err)
		}
	}
	last := n*width + int64(len(records)) - 1
	proof, err := tlog.ProveRecord(tree.N, last, hashes)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(proof, tree.N, tree.Hash, last, leaves[len(leaves)-1])
}

func verify(dir, vkey string, older []string) (int64, error) {
	tree, err := openCheckpoint(filepath.Join(dir, "checkpoint"), vkey)
	if err != nil {
		return 0, err
	}
	hashes := tlog.TileHashReader(tree, tiles{dir})
	for n := int64(0); n*width < tree.N; n++ {
		if err := checkBundle(dir, n, tree, hashes); err != nil {
			return 0, err
		}
	}
	for _, path := range older {
		old, err := openCheckpoint(path, vkey)
		if err != nil {
			return 0, err
		}
		if old.N == 0 {
			continue
		}
		proof, err := tlog.ProveTree(tree.N, old.N, hashes)
		if err != nil {
			return 0, err
		}
		if err := tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash); err != nil {
			return 0, fmt.Errorf("%s is not continued: %v", path, err)
		}
	}
	return tree.N, nil
}

// checkProof takes a proof apart: header, index, hashes, an empty line, the checkpoint.
func checkProof(path, recordPath, vkey string) (int64, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	record, err := os.ReadFile(recordPath)
	if err != nil {
		return 0, err
	}
	head, checkpoint, found := strings.Cut(string(data), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || len(lines) < 2 || lines[0] != "c2sp.org/tlog-proof@v1" || !strings.HasPrefix(lines[1], "index ") {
		return 0, errors.New("this is no tlog-proof")
	}
	index, err := strconv.ParseInt(lines[1][len("index "):], 10, 64)
	if err != nil {
		return 0, err
	}
	var proof tlog.RecordProof
	for _, line := range lines[2:] {
		hash, err := tlog.ParseHash(line)
		if err != nil {
			return 0, err
		}
		proof = append(proof, hash)
	}
	tree, err := parseCheckpoint([]byte(checkpoint), vkey)
	if err != nil {
		return 0, err
	}
	return index, tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(record))
}

func main() {
	if len(os.Args) == 5 && os.Args[1] == "-proof" {
		index, err := checkProof(os.Args[2], os.Args[3], os.Args[4])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Printf("ok %d\n", index)
		return
	}
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: verify DIR VKEY [OLDER-CHECKPOINT...]")
		os.Exit(2)
	}
	size, err := verify(os.Args[1], os.Args[2], os.Args[3:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("ok %d\n", size)
}
