# Runs the examples of lme4's help pages, and the code of its vignettes, on rlmm, with the names of
# the fitting functions replaced and lme4 not attached: a script should run after replacing `lmer`.
# Prints each expression that fails, and at the end the counts. Usage, with both packages installed:
# Rscript tools/lme4-examples.R [PAGE ...]

library(rlmm)

# What lme4's names are called here. Its control objects are understood as they are.
replacements <- c(
  "lme4:::?" = "",
  "\\b((l|gl|nl)merControl|\\.makeCC)\\b" = "lme4::\\1",
  "\\bglmer\\.nb\\b" = "rglmm_nb",
  "\\bfortify\\.merMod\\b" = "ggplot2::fortify",
  "\\bglmer\\b" = "rglmm",
  "\\bnlmer\\b" = "rnlmm",
  "\\blmer\\b" = "rlmm"
)

# The functions of lme4 that take a fit apart, simulate its modules, or test it: who calls them
# programs lme4 itself. An expression that uses one, or what one returned, isn't counted.
internals <- c(
  "@",
  ".prt.VC",
  ".prt.aictab",
  ".prt.grps",
  ".prt.methTit",
  ".prt.resids",
  ".prt.warn",
  "GHrule",
  "namedList",
  ".prt.family",
  ".prt.call",
  "formatVC",
  "GQdk",
  "GQN",
  "NelderMead",
  "Nelder_Mead",
  "anyStructured",
  "checkConv",
  "convergence",
  "devcomp",
  "devfun2",
  "expandDoubleVerts",
  "findbars",
  "forceNewMerMod",
  "getL",
  "getReCovs",
  "glFormula",
  "glmFamily",
  "glmResp",
  "golden",
  "isNested",
  "isNewMerMod",
  "is.MM",
  "lFormula",
  "llikAIC",
  "lmResp",
  "lmerResp",
  "lme4_testlevel",
  "merMod",
  "merPredD",
  "mkDataTemplate",
  "mkGlmerDevfun",
  "mkLmerDevfun",
  "mkMerMod",
  "mkNewReTrms",
  "mkParsTemplate",
  "mkReTrms",
  "mkRespMod",
  "mkVarCorr",
  "mkdevfun",
  "mlist2vec",
  "nloptwrap",
  "nlminbwrap",
  "nobars",
  "optimizeGlmer",
  "optimizeLmer",
  "rePos",
  "slot",
  "subbars",
  "testLevel",
  "updateGlmerDevfun",
  "vcconv",
  "vec2mlist",
  "vec2STlist",
  "zeta"
)

# Expressions that end otherwise here, on purpose: a part of their text, and the reason.
differences <- c(
  "ar1(1 + herd | period)" = "ar1() wants the levels of one factor as its columns, in order"
)

help_pages <- function() {
  pages <- tools::Rd_db("lme4")
  names(pages) <- sub("[.]Rd$", "", names(pages))
  lapply(pages, \(page) {
    file <- tempfile(fileext = ".R")
    tools::Rd2ex(page, file, commentDontrun = TRUE, commentDonttest = FALSE)
    if (file.exists(file)) readLines(file)
  })
}

vignette_scripts <- function() {
  files <- list.files(
    system.file("doc", package = "lme4"),
    "[.]R$",
    full.names = TRUE
  )
  names(files) <- paste("vignette", sub("[.]R$", "", basename(files)))
  lapply(files, readLines, warn = FALSE)
}

translate <- function(code) {
  for (pattern in names(replacements)) {
    code <- gsub(pattern, replacements[[pattern]], code, perl = TRUE)
  }
  code
}

# Whether an expression attaches lme4, which it isn't to be.
is_attaching <- function(expression) {
  text <- paste(deparse(expression), collapse = " ")
  grepl("(library|require)\\(\"?lme4", text)
}

uses <- function(expression, names) {
  any(all.names(expression) %in% names)
}

# The names that an expression assigns to, also within parentheses and braces.
assigned <- function(expression) {
  if (!is.call(expression)) {
    return(NULL)
  }
  is_assignment <- as.character(expression[[1L]])[1L] %in% c("<-", "=")
  own <- if (is_assignment) all.vars(expression[[2L]])[1L]
  c(own, unlist(lapply(as.list(expression), assigned)))
}

# Whether an expression failed for a difference on purpose, or for a package that isn't there.
is_excused <- function(expression, problem) {
  text <- paste(deparse(expression), collapse = " ")
  is_difference <- any(vapply(
    names(differences),
    grepl,
    NA,
    text,
    fixed = TRUE
  ))
  is_absent <- any(grepl("no package called", problem, fixed = TRUE))
  !is.null(problem) && (is_difference || is_absent)
}

# The functions that were to be had from an absent package.
attached <- function(expression) {
  exports <- c(gridExtra = "grid.arrange", bbmle = "AICtab")
  text <- paste(deparse(expression), collapse = " ")
  exports[vapply(names(exports), grepl, NA, text, fixed = TRUE)]
}

run_page <- function(name, code) {
  env <- new.env(parent = globalenv())
  utils::data(
    list = utils::data(package = "lme4")$results[, "Item"],
    package = "lme4",
    envir = env
  )
  expressions <- tryCatch(parse(text = translate(code)), error = \(e) NULL)
  spoiled <- internals
  n <- 0L
  failures <- character()
  for (expression in as.list(expressions)) {
    if (is_attaching(expression)) {
      next
    }
    if (uses(expression, spoiled)) {
      spoiled <- c(spoiled, assigned(expression))
      next
    }
    n <- n + 1L
    problem <- run(expression, env)
    if (is_excused(expression, problem)) {
      spoiled <- c(spoiled, assigned(expression), attached(expression))
      n <- n - 1L
    } else if (!is.null(problem)) {
      text <- paste(deparse(expression), collapse = "\n    ")
      failures <- c(failures, sprintf("  %s\n      # %s", text, problem))
    }
  }
  list(n = n, failures = failures)
}

run <- function(expression, env) {
  setTimeLimit(elapsed = 120, transient = TRUE)
  on.exit(setTimeLimit())
  problem <- NULL
  utils::capture.output(
    suppressWarnings(suppressMessages(tryCatch(
      {
        shown <- withVisible(eval(expression, env))
        if (shown$visible) print(shown$value)
      },
      error = \(cnd) problem <<- conditionMessage(cnd)
    )))
  )
  problem
}

scripts <- c(help_pages(), vignette_scripts())
wanted <- commandArgs(trailingOnly = TRUE)
if (length(wanted) > 0L) {
  scripts <- scripts[wanted]
}
grDevices::pdf(NULL)
# Examples and vignettes may write files.
setwd(tempdir())
results <- Map(run_page, names(scripts), scripts)
for (name in names(results)) {
  if (length(results[[name]]$failures) > 0L) {
    cat(name, results[[name]]$failures, "", sep = "\n")
  }
}
n <- sum(vapply(results, `[[`, 1L, "n"))
failed <- sum(lengths(lapply(results, `[[`, "failures")))
cat(sprintf("%d expressions, %d failed\n", n, failed))
if (failed > 0L) {
  quit(status = 1L)
}
