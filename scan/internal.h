// SPDX-License-Identifier: Apache-2.0
// What the parts of the scan share. One struct scan_state from the first question to the last; the
// parts run one after the other, each filling its share of the inventory:
//
//   ends.c       who the two ends are, which collections there are
//   objects.c    documents of the top-level collections
//   ranges.c     the cutting of collections by _id (in objects.c's walk, or one of its own)
//   select.c     which objects the scope may reach
//   children.c   second-level documents per object, orphans
//   places.c     directories whose entries are named one by one, and what belongs to whom there
//   list.c       one directory
//   files.c      counting trees, several at a time (pool.h)
//   members.c    second-level documents against the names in their object's directory
//   paths.c      files that documents name by their path
//   crosscheck.c what does not fit together
//   indexes.c    indexes that the destination lacks
//   forecast.c   what the destination would say to each document: compare.c by its _id, unique.c
//                by its other keys (keys.c)
//   walk.c       a collection in _id order
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "base/strtab.h"
#include "scan/scan.h"
#include "site/bson_frame.h"
#include "site/bson_id.h"

struct scan_state {
    const struct scan_options *o;
    const struct model *m;
    const struct scope *scope;
    struct inventory *inv;
    struct arena *arena;                // the inventory's
    struct mongo *source, *destination; // sessions of the first thread; destination may be NULL
    size_t *first; // of each collection's objects in inv->objects; n_collections + 1 entries
    bool *reached; // per object: the scope may reach it
    struct scan_wishes *users; // that the scope names; NULL when it names none
    struct strtab *texts;      // owners and projects, which many objects share, once each
    pthread_mutex_t lock;      // around findings and progress
};

// --- scan.c
// Every finding goes through here: to the report in full, to the inventory by count. Any thread.
int scan_report(struct scan_state *s, enum inv_finding_kind kind, const char *collection,
                const char *id, const char *detail, struct err *e);
int scan_report_errno(struct scan_state *s, const char *path, int errnum, struct err *e);
void scan_progress(struct scan_state *s, const char *what, uint64_t seen);
int scan_stopped(struct err *e); // the error of a stop that was asked for, or 0
// True when the scope takes documents of this collection along.
bool scan_takes(const struct scan_state *s, const struct model_collection *c);

// --- ends.c
int scan_ends(struct scan_state *s, struct err *e);
int scan_collections(struct scan_state *s, struct err *e);
int scan_unknown_owners(struct scan_state *s, struct err *e);

// --- objects.c
int scan_objects(struct scan_state *s, struct err *e);
// The index of an object, (size_t)-1 when there is none with this ID (as text, inventory.h).
size_t scan_find_object(const struct scan_state *s, size_t collection, const char *id);
// A value as an ID: a string without zero bytes as it is, else docid_text. True: as it is.
bool scan_id_text(const struct docid *id, struct buf *out);
// The string of an element; false when it is another type, or holds zero bytes.
bool scan_string(const struct doc_element *el, const char **text, size_t *len);
// Calls back with each ID that a reference field holds: a string, a value, or an array of them.
int scan_each_ref(const struct doc_element *el,
                  int (*each)(void *arg, const char *id, struct err *e), void *arg, struct err *e);
// Documents of other collections that refer to objects which are not there.
int scan_other_refs(struct scan_state *s, struct err *e);

// --- select.c
// Fills s->reached: the same objects that the compiler selects, as long as both see the same names;
// it decides what is counted and compared, never what moves.
int scan_select(struct scan_state *s, struct err *e);
// True when the scope takes everything of this owner along, as far as names tell.
bool scan_owner_reached(const struct scan_state *s, const char *owner);
void scan_wishes_free(struct scan_wishes *w);

// --- ranges.c
struct scan_cutter;
struct scan_cutter *scan_cutter_new(struct arena *a, uint64_t documents, uint64_t bytes);
void scan_cutter_add(struct scan_cutter *c, const struct docid *id);
void scan_cutter_end(struct scan_cutter *c, struct inv_collection *out);
void scan_cutter_free(struct scan_cutter **c);
// Collections that objects.c did not walk.
int scan_ranges(struct scan_state *s, struct err *e);

// --- children.c
int scan_children(struct scan_state *s, struct err *e);

// --- places.c
struct scan_entry {
    struct inv_entry inv;
    bool place;    // a place itself
    bool named;    // and one with entries: they are counted there
    bool excluded; // by the scope, or a work folder
    size_t object; // one that it belongs to and the scope may reach; (size_t)-1
    bool tree;     // belongs to that object as its directory
};
struct scan_place {
    const char *path, *owner;   // owner "" when the template has none
    bool reached;               // the scope takes all of it, not just what belongs to objects
    struct scan_entry *entries; // sorted by name
    size_t n, cap;
    struct scan_set {
        size_t collection, files;
    } * sets; // file sets that are here
    size_t n_sets, cap_sets;
};
struct scan_places {
    struct scan_place *items; // sorted by path
    size_t n, cap;
    struct strtab *by_path; // path -> index + 1
    const char **tops;      // directories at the top of the data directory, sorted
    size_t n_tops, cap_tops;
    struct inv_count loose; // other things there
    struct pattern **excludes;
    size_t n_excludes;
    uint32_t *found; // per object: bit k says that its file set k is there
};
void scan_places_init(struct scan_places *p);
void scan_places_free(struct scan_places *p);
int scan_places_find(struct scan_state *s, struct scan_places *p, struct err *e);
// Calls back with each object and file set that an entry of a place belongs to.
void scan_place_match(const struct scan_state *s, const struct scan_place *p, const char *name,
                      void (*hit)(void *arg, size_t object, size_t files), void *arg);

// --- list.c
struct scan_list {
    struct scan_state *s;
    const char *path; // "." for the root
    int (*each)(struct scan_list *l, const char *name, const char *path, const struct stat *st,
                struct err *e);
    struct scan_places *places;
    struct scan_place *place;
};
// The entries of a directory, special files left out. 1: listed; 0: it is not there, or it is no
// directory, or a symlink; else an error. What cannot be read is a finding.
int scan_list(struct scan_list *l, struct err *e);
// Whether we may read a regular file of which lstat says this.
bool scan_readable(int rootfd, const char *path, mode_t mode, uid_t uid);

// --- files.c
int scan_files(struct scan_state *s, struct err *e);

// --- paths.c
int scan_paths(struct scan_state *s, struct err *e);

// --- members.c
// The names found in one object's directory, and the question whether one begins with an ID.
struct scan_names;
struct scan_names *scan_names_new(void);
void scan_names_free(struct scan_names *n);
void scan_names_clear(struct scan_names *n);
void scan_names_add(struct scan_names *n, const char *path);
void scan_names_sort(struct scan_names *n);
bool scan_names_have(const struct scan_names *n, const char *id);
struct scan_members; // which collections have member files, for each parent
int scan_members_new(struct scan_state *s, struct scan_members **out, struct err *e);
void scan_members_free(struct scan_members *m);
bool scan_members_of(const struct scan_members *m, size_t collection);
// Reports each document of this object that has no file among the names.
struct scan_member_sink {
    void *arg;
    int (*missing)(void *arg, const char *collection, const char *id, const char *detail,
                   struct err *e);
};
int scan_members_check(const struct scan_members *m, struct mongo *session, size_t collection,
                       const char *object, const struct scan_names *names,
                       const struct scan_member_sink *sink, struct err *e);

// --- crosscheck.c
int scan_crosscheck_files(struct scan_state *s, const struct scan_places *p, struct err *e);
int scan_crosscheck_objects(struct scan_state *s, struct err *e);

// --- walk.c
struct scan_walk {
    struct mongo *session;
    const char *collection;
    const bson_t *projection; // NULL: whole documents
    int64_t page;             // documents per question
    int (*each)(void *arg, const uint8_t *doc, size_t len, struct err *e);
    void *arg;
};
// Every document in _id order. Pages restart at the last _id, so that no cursor lives long and a
// passing failure is got over; `each` sees a document once.
int scan_walk(const struct scan_walk *w, struct err *e);
// mongo_find that gets over passing failures: it asks again and leaves out as many documents of the
// answer as `each` has seen. For questions whose answer comes in the order of an index.
int scan_find(struct mongo *session, const struct mongo_query *q,
              int (*each)(void *arg, const uint8_t *doc, size_t len, struct err *e), void *arg,
              struct err *e);

// --- indexes.c
int scan_indexes(struct scan_state *s, struct err *e);

// --- forecast.c
int scan_forecast(struct scan_state *s, struct err *e);

// --- compare.c
// Documents of the source against those of the destination that have the same _id, or the same key
// in another unique index. They are held until a page of them is full; the end is a flush.
struct scan_compare;
int scan_compare_new(struct scan_state *s, size_t collection, struct inv_forecast *out,
                     struct scan_compare **made, struct err *e); // to be freed in any case
void scan_compare_free(struct scan_compare **c);
int scan_compare_add(void *compare, const uint8_t *doc, size_t len, struct err *e);
int scan_compare_flush(struct scan_compare *c, struct err *e);

// --- keys.c
// Appends a value so that what a unique index takes for equal has equal bytes.
void scan_key_put(struct buf *out, const struct docid *v);
// The value at a dotted path: 1 found; 0 it is not there (null then); -1 an array is in the way.
int scan_find_path(const uint8_t *doc, size_t len, const char *path, struct docid *out);
void scan_append_value(bson_t *to, const char *key, const struct docid *v);

// --- unique.c
// The destination's unique indexes of a collection, other than that of _id, and the look-up of
// documents by their keys.
struct scan_unique;
int scan_unique_new(struct mongo *destination, const char *collection, struct scan_unique **out,
                    struct err *e); // to be freed in any case
void scan_unique_free(struct scan_unique *u);
bool scan_unique_none(const struct scan_unique *u);
struct scan_doc {
    const uint8_t *data;
    size_t len;
};
// Sets clash[i] for each document whose key stands at the destination already.
int scan_unique_look(struct scan_unique *u, struct mongo *destination, const struct scan_doc *docs,
                     size_t n, bool *clash, struct err *e);
