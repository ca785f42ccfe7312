# SPDX-License-Identifier: Apache-2.0
# One file, no configure step, every variable may be overridden. `make help`.

VERSION   := $(shell cat VERSION)
CC        ?= cc
CLANG     ?= clang
PKG_CONFIG ?= pkg-config
BUILD     ?= build
prefix    ?= /usr/local
bindir    ?= $(prefix)/bin
datadir   ?= $(prefix)/share
mandir    ?= $(datadir)/man
docdir    ?= $(datadir)/doc/blobctl
schemadir ?= $(datadir)/blobctl/schema

# Folders of the library, from the bottom layer up (docs/architecture.md).
LAYERS := util hash codec io chunk tree pack log index catalog repo check ingest restore

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wvla -Wformat=2 -Wundef -Wwrite-strings \
	-Wswitch-enum -Wcast-qual
HARDEN := -fstack-protector-strong -fstack-clash-protection -fPIE \
	-D_FORTIFY_SOURCE=2
ifeq ($(shell uname -m),x86_64)
HARDEN += -fcf-protection
endif
OPT     ?= -O2 -g
SAN     ?=
CFLAGS  ?= $(OPT)
CPPFLAGS ?=
ALL_CFLAGS = -std=c17 -D_GNU_SOURCE -DBLOBCTL_VERSION='"$(VERSION)"' \
	-Ilib -I. $(WARN) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer,$(HARDEN)) \
	-ffile-prefix-map=$(CURDIR)=. -pthread $(CPPFLAGS) $(CFLAGS) $(WERROR)
ALL_LDFLAGS = -pthread -pie -Wl,-z,relro,-z,now -Wl,--as-needed \
	$(if $(SAN),-fsanitize=$(SAN) $(SAN_STATIC)) $(LDFLAGS)
# Of gcc's two shared runtimes only one hears of log_path, so that what UBSan
# reports would not be collected. Linked in they are one, as clang's always is.
ifneq (,$(and $(findstring address,$(SAN)),$(findstring undefined,$(SAN))))
SAN_STATIC := $(if $(shell $(CC) --version | grep clang),,-static-libasan \
	-static-libubsan)
endif

PKGS   := liburing libzstd sqlite3
LIBS   = $(shell $(PKG_CONFIG) --libs $(PKGS)) -ldl

LIB_SRC  := $(foreach l,$(LAYERS),$(sort $(wildcard lib/$(l)/*.c)))
CMD_SRC  := $(sort $(wildcard cmd/*.c))
UNIT_SRC := $(sort $(wildcard tests/unit/test_*.c))
BENCH_SRC := $(sort $(wildcard tests/bench/*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/fuzz_*.c))
TOOL_SRC := $(sort $(wildcard tests/tools/*.c))

LIB_OBJ  := $(LIB_SRC:%.c=$(BUILD)/%.o)
CMD_OBJ  := $(CMD_SRC:%.c=$(BUILD)/%.o)
UNIT_BIN := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/tests/%)
BENCH_BIN := $(BENCH_SRC:tests/bench/%.c=$(BUILD)/bench/%)
TOOL_BIN := $(TOOL_SRC:tests/tools/%.c=$(BUILD)/tools/%)
LIB_A    := $(BUILD)/libblobctl.a

# One short line a step; V=1 shows whole commands, make -s nothing.
ifeq (,$(findstring s,$(firstword -$(MAKEFLAGS)))$(filter 1,$(V)))
step = @echo '  $(1) $(2:$(BUILD)/%=%)' &&
endif

all: $(BUILD)/blobctl ## build the program (default)

$(BUILD)/blobctl: $(CMD_OBJ) $(LIB_A)
	$(call step,LINK,$@) $(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

# The same program, with the seam at which tests make operations fail.
$(BUILD)/blobctl-testing: $(CMD_OBJ:%/ctx.o=%/ctx-testing.o) \
		$(BUILD)/tests/testing/seam.o $(LIB_A)
	$(call step,LINK,$@) $(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/cmd/ctx-testing.o: cmd/ctx.c Makefile VERSION
	@mkdir -p $(@D)
	$(call step,CC,$@) $(CC) $(ALL_CFLAGS) -DBLOBCTL_TESTING -MMD -MP \
		-c -o $@ $<

$(LIB_A): $(LIB_OBJ)
	@rm -f $@
	$(call step,AR,$@) $(AR) rcsD $@ $^

$(BUILD)/%.o: %.c Makefile VERSION
	@mkdir -p $(@D)
	$(call step,CC,$<) $(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Tests may use the oracle that the program loads only when it must.
$(BUILD)/tests/%: $(BUILD)/tests/unit/%.o $(LIB_A)
	@mkdir -p $(@D)
	$(call step,LINK,$@) $(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcrypto -lm
$(BUILD)/bench/%: $(BUILD)/tests/bench/%.o $(LIB_A)
	@mkdir -p $(@D)
	$(call step,LINK,$@) $(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lcrypto -lm
$(BUILD)/tools/%: $(BUILD)/tests/tools/%.o $(LIB_A)
	@mkdir -p $(@D)
	$(call step,LINK,$@) $(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS) -lm

# ---- tests ------------------------------------------------------------------

demo: ## install what is missing, build, and run the main job on real input
	@scripts/demo

check: ## install the test tools, build, and pass every test
	@scripts/check

unit: $(UNIT_BIN) ## unit tests only (tools must be there)
	scripts/run-unit $(UNIT_BIN)

test-bins: $(UNIT_BIN) $(TOOL_BIN) $(BUILD)/blobctl $(BUILD)/blobctl-testing

bench: ## measure blobctl beside its peers; writes docs/benchmarks.md
	scripts/bench

bench-bins: $(BENCH_BIN)

# For scripts that compile one file: the flags, without the version's quotes.
print-cflags:
	@echo '$(filter-out -DBLOBCTL_VERSION=%,$(ALL_CFLAGS))'

# A fuzzer needs clang; each harness is also a plain program over its corpus.
fuzz: ## build every fuzz harness with libFuzzer under build/fuzz
	@$(MAKE) BUILD=$(BUILD)/fuzz CC=$(CLANG) OPT='-O1 -g' \
		SAN=address,undefined,fuzzer-no-link fuzz-bins

FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/%)
fuzz-bins: $(FUZZ_BIN)
$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(LIB_A)
	$(call step,LINK,$@) $(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LIBS)

asan: ## every test under AddressSanitizer and UndefinedBehaviorSanitizer
	BUILD=$(BUILD)/asan SAN=address,undefined scripts/check

tsan: ## every test under ThreadSanitizer
	BUILD=$(BUILD)/tsan SAN=thread scripts/check

lint: ## layers, headers, banned calls, format, shell, manual pages
	@scripts/lint

format: ## rewrite the sources by .clang-format
	clang-format -i $$(git ls-files '*.c' '*.h')

# ---- installation -----------------------------------------------------------

# What the tree holds of these is installed; uninstall knows the same names.
MAN1 := $(wildcard man/*.1)
MAN5 := $(wildcard man/*.5)
SCHEMAS := $(wildcard schema/*.json)
DOCS := $(wildcard README.md CHANGELOG.md LICENSE docs/*.md contrib/blobctl_read.py)
SHELLS := $(wildcard completions/blobctl.bash completions/_blobctl \
	completions/blobctl.fish)
completion_blobctl.bash = $(datadir)/bash-completion/completions/blobctl
completion__blobctl     = $(datadir)/zsh/site-functions/_blobctl
completion_blobctl.fish = $(datadir)/fish/vendor_completions.d/blobctl.fish

install: $(BUILD)/blobctl ## install under DESTDIR and prefix
	install -Dm755 -t "$(DESTDIR)$(bindir)" $(BUILD)/blobctl
	$(if $(MAN1),install -Dm644 -t "$(DESTDIR)$(mandir)/man1" $(MAN1))
	$(if $(MAN5),install -Dm644 -t "$(DESTDIR)$(mandir)/man5" $(MAN5))
	$(if $(DOCS),install -Dm644 -t "$(DESTDIR)$(docdir)" $(DOCS))
	install -Dm644 -t "$(DESTDIR)$(schemadir)" $(SCHEMAS)
	$(foreach c,$(SHELLS),install -Dm644 $c \
		"$(DESTDIR)$(completion_$(notdir $c))" &&) :

uninstall: ## remove what install put there
	rm -f "$(DESTDIR)$(bindir)/blobctl" \
		$(MAN1:man/%="$(DESTDIR)$(mandir)/man1/%") \
		$(MAN5:man/%="$(DESTDIR)$(mandir)/man5/%") \
		$(foreach d,$(DOCS),"$(DESTDIR)$(docdir)/$(notdir $d)") \
		$(SCHEMAS:schema/%="$(DESTDIR)$(schemadir)/%") \
		$(foreach c,$(SHELLS),"$(DESTDIR)$(completion_$(notdir $c))")
	for d in "$(DESTDIR)$(docdir)" "$(DESTDIR)$(schemadir)" \
		"$(DESTDIR)$(datadir)/blobctl"; do [ ! -d "$$d" ] || \
		rmdir --ignore-fail-on-non-empty "$$d"; done

clean: ## remove everything that was built
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | \
		awk -F'\t' '{ printf "  make %-10s %s\n", $$1, $$2 }'

.PHONY: all demo check unit test-bins bench bench-bins print-cflags fuzz fuzz-bins asan \
	tsan lint format install uninstall clean help
.SECONDARY:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
