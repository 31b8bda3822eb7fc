/*
 * The Merkle tree. Leaves and roots: the reference vectors that Certificate Transparency
 * implementations share (google/certificate-transparency, merkle/merkle_tree_test: eight leaves and
 * the roots of every prefix); longer trees against RFC 6962 section 2.1 written down as it stands.
 */
#include "audit/edge.h"
#include "tests/support/suite.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

static CK_RV ignore(void *ctx, unsigned level, uint64_t n,
                    const uint8_t hashes[TILE_WIDTH][HASH_LEN])
{
    (void)level;
    (void)n;
    (void)hashes;
    if (ctx != NULL)
        (*(unsigned *)ctx)++;
    return CKR_OK;
}

static const struct edge_sink nowhere = {.full = ignore};

static const struct {
    const char *leaf; /* hex */
    const char *root; /* of the tree up to and with this leaf */
} vectors[] = {
    {"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"},
    {"00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"},
    {"10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"},
    {"2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"},
    {"3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"},
    {"40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"},
    {"5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"},
    {"606162636465666768696a6b6c6d6e6f",
     "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"},
};

enum { VECTORS = sizeof(vectors) / sizeof(*vectors) };

START_TEST(roots_are_the_published_ones)
{
    struct edge *edge = calloc(1, sizeof(*edge));
    struct hash *h = NULL;
    uint8_t raw[16];
    uint8_t hash[HASH_LEN];
    char hex[2 * HASH_LEN + 1];

    assert_ok(hash_new(&h));
    for (int i = 0; i < VECTORS; i++) {
        size_t len = strlen(vectors[i].leaf) / 2;

        ck_assert(bytes_from_hex(vectors[i].leaf, raw, len));
        assert_ok(hash_leaf(h, BYTES(raw, len), hash));
        assert_ok(edge_push(edge, h, hash, &nowhere));
        assert_ok(edge_root(edge, h, hash));
        bytes_to_hex(BYTES(hash, HASH_LEN), hex);
        ck_assert_str_eq(hex, vectors[i].root);
    }
    hash_free(h);
    free(edge);
}
END_TEST

START_TEST(the_root_of_the_empty_tree_is_the_hash_of_nothing)
{
    struct edge *edge = calloc(1, sizeof(*edge));
    struct hash *h = NULL;
    uint8_t hash[HASH_LEN];
    char hex[2 * HASH_LEN + 1];

    assert_ok(hash_new(&h));
    assert_ok(edge_root(edge, h, hash));
    bytes_to_hex(BYTES(hash, HASH_LEN), hex);
    ck_assert_str_eq(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    hash_free(h);
    free(edge);
}
END_TEST

/* RFC 6962, section 2.1, literally. */
static void mth(struct hash *h, const uint8_t (*leaves)[HASH_LEN], size_t n, uint8_t *ret)
{
    uint8_t left[HASH_LEN];
    uint8_t right[HASH_LEN];
    size_t k = 1;

    if (n == 1) {
        memcpy(ret, leaves[0], HASH_LEN);
        return;
    }
    while (k * 2 < n)
        k *= 2;
    mth(h, leaves, k, left);
    mth(h, leaves + k, n - k, right);
    assert_ok(hash_node(h, left, right, ret));
}

static const uint64_t sizes[] = {1, 2, 3, 255, 256, 257, 511, 512, 777, 65535, 65536, 65537, 70000};

START_TEST(roots_of_any_size_follow_the_definition)
{
    uint64_t size = sizes[_i];
    uint8_t(*leaves)[HASH_LEN] = calloc(size, HASH_LEN);
    struct edge *edge = calloc(1, sizeof(*edge));
    struct hash *h = NULL;
    uint8_t want[HASH_LEN];
    uint8_t got[HASH_LEN];
    unsigned tiles = 0;
    const struct edge_sink count = {.full = ignore, .ctx = &tiles};

    assert_ok(hash_new(&h));
    for (uint64_t i = 0; i < size; i++) {
        assert_ok(hash_leaf(h, BYTES(&i, sizeof(i)), leaves[i]));
        assert_ok(edge_push(edge, h, leaves[i], &count));
    }
    mth(h, leaves, size, want);
    assert_ok(edge_root(edge, h, got));
    ck_assert_mem_eq(got, want, HASH_LEN);
    ck_assert_uint_eq(tiles, size / 256 + size / 65536);
    hash_free(h);
    free(edge);
    free(leaves);
}
END_TEST

START_TEST(a_tree_of_70000_has_the_widths_of_the_specification)
{
    ck_assert_uint_eq(edge_width(70000, 0), 112);
    ck_assert_uint_eq(edge_tile_index(70000, 0), 273);
    ck_assert_uint_eq(edge_width(70000, 1), 17);
    ck_assert_uint_eq(edge_tile_index(70000, 1), 1);
    ck_assert_uint_eq(edge_width(70000, 2), 1);
    ck_assert_uint_eq(edge_width(256, 0), 0);
    ck_assert_uint_eq(edge_width(256, 1), 1);
    ck_assert_uint_eq(edge_width(UINT64_MAX, 7), 255);
    ck_assert_uint_eq(edge_tile_index(UINT64_MAX, 7), 0);
}
END_TEST

/* RFC 8032, section 7.1, test 2. */
START_TEST(ed25519_is_that_of_rfc_8032)
{
    struct hash *h = NULL;
    uint8_t key[32];
    uint8_t signature[64];
    bool good = false;

    ck_assert(bytes_from_hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                             key, 32));
    ck_assert(bytes_from_hex("92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                             "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
                             signature, 64));
    assert_ok(hash_new(&h));
    assert_ok(hash_verify_ed25519(h, key, BYTES_LIT("\x72"), signature, &good));
    ck_assert(good);
    assert_ok(hash_verify_ed25519(h, key, BYTES_LIT("\x73"), signature, &good));
    ck_assert(!good);
    hash_free(h);
}
END_TEST

START_TEST(the_error_queue_is_left_as_found)
{
    struct hash *h = NULL;
    const uint8_t key[32] = {1};
    const uint8_t signature[64] = {9};
    uint8_t hash[HASH_LEN];
    bool good = true;

    ERR_raise(ERR_LIB_USER, 42);
    assert_ok(hash_new(&h));
    assert_ok(hash_leaf(h, BYTES_LIT("x"), hash));
    assert_ok(hash_verify_ed25519(h, key, BYTES_LIT("x"), signature, &good));
    ck_assert(!good);
    hash_free(h);
    ck_assert_int_eq(ERR_GET_REASON(ERR_get_error()), 42);
    ck_assert_uint_eq(ERR_get_error(), 0);
}
END_TEST

int main(void)
{
    const struct suite_case cases[] = {
        CASE(roots_are_the_published_ones),
        CASE(the_root_of_the_empty_tree_is_the_hash_of_nothing),
        CASE_LOOP(roots_of_any_size_follow_the_definition, sizeof(sizes) / sizeof(*sizes)),
        CASE(a_tree_of_70000_has_the_widths_of_the_specification),
        CASE(ed25519_is_that_of_rfc_8032),
        CASE(the_error_queue_is_left_as_found),
    };

    return suite_run("audit/tree", cases, sizeof(cases) / sizeof(*cases));
}
