# pglocktop - build, test and install. `make help` lists the targets; V=1 shows the commands.
# The packager owns CC CFLAGS CPPFLAGS LDFLAGS DESTDIR PREFIX; what the project needs is added to them.

VERSION := $(shell sed -n 's/^.define PGLOCKTOP_VERSION "\(.*\)"/\1/p' include/pglocktop/version.h)

PREFIX ?= /usr/local
BUILD ?= build
CFLAGS ?= -O2 -g
PKG_CONFIG ?= pkg-config

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wcast-qual -Wpointer-arith \
	-Wundef -Wvla -Wwrite-strings
own_cflags := -std=c11 -D_GNU_SOURCE $(WARNINGS) -pthread -Iinclude
own_ldflags := -pthread

core_libs := libpcre2-8 jansson
libs = $(shell $(PKG_CONFIG) --libs libpq $(core_libs) ncursesw) -lm

core_sources := $(wildcard src/*.c)
tui_sources := $(wildcard tui/*.c)
core_objects := $(core_sources:%.c=$(BUILD)/%.o)
tui_objects := $(tui_sources:%.c=$(BUILD)/%.o)
tui_library_objects := $(filter-out $(BUILD)/tui/main.o,$(tui_objects))
unit_tests := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*.c))

ifneq ($(V),1)
.SILENT:
endif
say = $(if $(filter 1,$(V)),,printf '  %-6s %s\n' $(1) $(2);)

all: $(BUILD)/pglocktop

# The walls: libpq's headers are to be had in src/server*.c only, the screen's headers in tui/ only.
$(BUILD)/src/server%.o: own_cflags += $(shell $(PKG_CONFIG) --cflags libpq)
$(BUILD)/src/%.o: own_cflags += -Isrc $(shell $(PKG_CONFIG) --cflags $(core_libs))
$(BUILD)/tui/%.o: own_cflags += -Itui
$(BUILD)/tui/term.o: own_cflags += $(shell $(PKG_CONFIG) --cflags ncursesw)

$(BUILD)/%.o: %.c
	mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(own_cflags) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/pglocktop: $(core_objects) $(tui_objects)
	$(call say,LD,$@)$(CC) $(own_ldflags) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(libs)

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(core_objects) $(tui_library_objects)
	$(call say,LD,$@)$(CC) $(own_ldflags) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(libs) -lcmocka
$(BUILD)/tests/%.o: own_cflags += -Isrc -Itui -Itests $(shell $(PKG_CONFIG) --cflags libpq)

unit: $(unit_tests)
	set -e; for test in $(unit_tests); do $$test; done

clean:
	rm -rf $(BUILD)

.PHONY: all unit clean
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
