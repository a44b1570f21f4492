# pglocktop - `make help` lists the targets; V=1 shows the commands.
# The packager owns CC CFLAGS CPPFLAGS LDFLAGS DESTDIR PREFIX; what the project needs is added to them.

VERSION := $(shell sed -n 's/^.define PGLOCKTOP_VERSION "\(.*\)"/\1/p' include/pglocktop/version.h)

PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
MANDIR ?= $(PREFIX)/share/man
BUILD ?= build
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config
CLANG_FORMAT ?= clang-format
FUZZ_SECONDS ?= 10

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wcast-qual -Wpointer-arith \
	-Wundef -Wvla -Wwrite-strings
own_cflags := -std=c11 -D_GNU_SOURCE $(WARNINGS) -pthread -ffile-prefix-map=$(CURDIR)=. -Iinclude
own_ldflags := -pthread -Wl,--as-needed

# A library's flags; empty where it is not installed, which $(BUILD)/libraries then says in words.
package_cflags = $(shell $(PKG_CONFIG) --cflags $(1) 2>/dev/null)
package_libs = $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null)
core_libraries := libpcre2-8 jansson
libs = $(call package_libs,libpq $(core_libraries) inih ncursesw)
test_libs = $(libs) -lm -lcmocka $(call package_libs,vterm)

core_sources := $(wildcard src/*.c)
tui_sources := $(wildcard tui/*.c)
core_objects := $(core_sources:%.c=$(BUILD)/%.o)
tui_objects := $(tui_sources:%.c=$(BUILD)/%.o)
tui_library_objects := $(filter-out $(BUILD)/tui/main.o,$(tui_objects))

# A room of tests: every test_*.c (in unit/ and screens/ every file) is a program, the other files go into all of them.
test_sources := $(wildcard tests/unit/*.c tests/screens/*.c tests/pty/test_*.c tests/pg/test_*.c tests/app/test_*.c \
	tests/matrix/test_*.c)
test_programs := $(test_sources:%.c=$(BUILD)/%)
test_support := $(patsubst %.c,$(BUILD)/%.o,$(filter-out $(test_sources),\
	$(wildcard tests/*.c tests/pty/*.c tests/pg/*.c tests/app/*.c tests/matrix/*.c)) \
	$(addprefix tests/bench/,watch.c relay.c fail.c))
fuzz_programs := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/*.c))
all_code := $(wildcard src/*.[ch] tui/*.[ch] include/pglocktop/*.h tests/*.[ch] tests/*/*.[ch])

ifneq ($(V),1)
.SILENT:
MAKEFLAGS += --no-print-directory
endif
say = $(if $(filter 1,$(V)),,printf '  %-6s %s\n' $(1) $(2);)

all: $(BUILD)/pglocktop ## build the program (the default)

# The walls: libpq's headers are to be had in src/server*.c only, the screen's headers in tui/ only.
$(BUILD)/src/server.o $(BUILD)/src/server_%.o: own_cflags += $(call package_cflags,libpq)
$(BUILD)/src/%.o: own_cflags += -Isrc $(call package_cflags,$(core_libraries))
$(BUILD)/tui/%.o: own_cflags += -Itui
$(BUILD)/tui/config.o: own_cflags += $(call package_cflags,inih)
$(BUILD)/tui/term.o: own_cflags += $(call package_cflags,ncursesw)
$(BUILD)/tests/%.o: own_cflags += -Isrc -Itui -Itests $(call package_cflags,libpq $(core_libraries))

$(BUILD)/%.o: %.c | $(BUILD)/libraries
	mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(own_cflags) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/pglocktop: $(core_objects) $(tui_objects)
	$(call say,LD,$@)$(CC) $(own_ldflags) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(libs)

$(BUILD)/libraries: tests/install-dependencies.sh
	CC='$(firstword $(CC))' PKG_CONFIG='$(PKG_CONFIG)' tests/install-dependencies.sh --libraries
	mkdir -p $(@D) && touch $@

# Archives, so that a test program takes of them only what it uses.
$(BUILD)/house.a: $(core_objects) $(tui_library_objects)
$(BUILD)/tests/support.a: $(test_support)
$(BUILD)/%.a:
	mkdir -p $(@D)
	$(call say,AR,$@)rm -f $@ && $(AR) rcs $@ $^

$(test_programs): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/tests/support.a $(BUILD)/house.a
	$(call say,LD,$@)$(CC) $(own_ldflags) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(test_libs)

$(fuzz_programs): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/house.a
	$(call say,LD,$@)$(CC) -fsanitize=fuzzer $(own_ldflags) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(libs)

$(BUILD)/demo/cast: $(BUILD)/tests/demo/cast.o $(BUILD)/tests/demo/scenes.o
	mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(own_ldflags) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(call package_libs,libpq)

check: $(BUILD)/libraries ## the tests that need no network, no root and nothing installed; says what it leaves out
	BUILD='$(BUILD)' tests/suite.sh check

test: ## install what is missing (apt), then all tests, under sanitizers, too
	tests/install-dependencies.sh test
	BUILD='$(BUILD)' tests/suite.sh all

test-matrix: ## the wait-for graph against pg_blocking_pids() on VERSIONS of PostgreSQL (10 to 18 unless given)
	tests/install-dependencies.sh matrix
	BUILD='$(BUILD)' tests/matrix/matrix.sh $(VERSIONS)

bench: ## what it costs the server and you, beside what others cost: BENCH="--quick", or --help for what there is
	tests/install-dependencies.sh demo
	$(MAKE) -j"$$(nproc)" BUILD='$(BUILD)' $(BUILD)/pglocktop $(BUILD)/bench
	$(BUILD)/bench --program $(BUILD)/pglocktop $(BENCH)

bench-pgbench: ## what pgbench loses by pglocktop, beside a bare query
	$(MAKE) BUILD='$(BUILD)' bench BENCH='--pgbench 15 --sessions 1001 $(BENCH)'

bench_sources := $(filter-out tests/bench/micro%.c,$(wildcard tests/bench/*.c))
bench_objects := $(bench_sources:%.c=$(BUILD)/%.o) $(BUILD)/tests/pg/pgserver.o $(BUILD)/tests/pty/vt_session.o

$(BUILD)/bench: $(bench_objects) $(BUILD)/house.a
	$(call say,LD,$@)$(CC) $(own_ldflags) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(libs) -lm

bench-micro: $(BUILD)/tests/bench/micro ## how long each step takes from lock rows to lines on screen
	$<

bench-instructions: $(BUILD)/tests/bench/micro ## how many instructions each takes, against tests/bench/instructions.baseline
	CC='$(CC)' CFLAGS='$(CFLAGS)' tests/bench/instructions.sh $<

$(BUILD)/tests/bench/micro: $(addprefix $(BUILD)/tests/bench/,micro.o micro_steps.o micro_rows.o) $(BUILD)/house.a
	$(call say,LD,$@)$(CC) $(own_ldflags) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(libs)

unit: $(filter $(BUILD)/tests/unit/%,$(test_programs)) ## the unit tests alone
	tests/run.sh $^

# For suite.sh: the programs of the rooms in ROOMS.
ROOMS ?= unit screens pty pg app matrix
wanted_programs = $(filter $(ROOMS:%=$(BUILD)/tests/%/%),$(test_programs))
test-programs: $(BUILD)/pglocktop $(wanted_programs)
list-tests:
	printf '%s\n' $(wanted_programs)

demo: ## see it live: install what is missing, start a private throw-away server at work, open pglocktop on it
	BUILD='$(BUILD)' tests/demo/demo.sh

screenshots: ## take screenshots/*.png of the demo in xterm
	BUILD='$(BUILD)' tests/screenshots.sh

fuzz: fuzz-programs ## run each fuzzer for FUZZ_SECONDS, with clang
	set -e; for source in tests/fuzz/*.c; do tests/fuzz.sh '$(BUILD)' $$(basename $$source .c) $(FUZZ_SECONDS); done

fuzz-programs:
	$(MAKE) BUILD='$(BUILD)/fuzz' CC=clang \
		CFLAGS='-O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all' fuzzers

fuzzers: $(fuzz_programs)

install: $(BUILD)/pglocktop ## install below DESTDIR and PREFIX
	install -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(MANDIR)/man1'
	install -m 755 $(BUILD)/pglocktop '$(DESTDIR)$(BINDIR)/pglocktop'
	install -m 644 tui/pglocktop.1 '$(DESTDIR)$(MANDIR)/man1/pglocktop.1'

uninstall: ## remove what install put there
	rm -f '$(DESTDIR)$(BINDIR)/pglocktop' '$(DESTDIR)$(MANDIR)/man1/pglocktop.1'

format: ## format the code
	$(CLANG_FORMAT) -i $(all_code)

format-check: ## fail where the code is not formatted
	$(CLANG_FORMAT) --dry-run --Werror $(all_code)

lint: ## clang-tidy and cppcheck
	printf '%s\n' $(core_sources) $(tui_sources) | xargs -P "$$(nproc)" -I {} clang-tidy --quiet {} -- \
		$(own_cflags) -Isrc -Itui $(call package_cflags,libpq $(core_libraries) inih ncursesw)
	cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,performance,portability --inline-suppr \
		--library=posix --suppressions-list=tests/house/cppcheck.suppressions -D_GNU_SOURCE -Iinclude -Isrc -Itui \
		src tui

walls: ## who may include what, and how long a file may be
	tests/walls.sh

clean: ## remove what was built
	rm -rf $(BUILD)

help: ## this list
	sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

.PHONY: all check test test-matrix unit bench bench-pgbench bench-micro bench-instructions test-programs list-tests \
	demo screenshots fuzz fuzz-programs fuzzers install uninstall format format-check lint walls clean help
.SECONDARY:
.DELETE_ON_ERROR:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
