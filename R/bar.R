# Parses random-effects terms, `(x | g)`, `(x || g)` or `cs(x | g)`, and expands the right side of a
# bar into groupings. Only expressions are handled here, no data.

bar_operators <- c("|", "||")

# Whether an expression has a bar anywhere, including bars that mean "or".
names_bar <- function(expr) {
  is.call(expr) && any(match(bar_operators, all.names(expr), 0L) > 0L)
}

is_bar <- function(expr) {
  length(expr) == 3L && call_name(expr) %in% bar_operators
}

is_structured_bar <- function(expr) {
  if (length(expr) < 2L || call_name(expr) %in% formula_operators) {
    return(FALSE)
  }
  inner <- strip_parens(expr[[2L]])
  structure_name(expr) %in%
    bar_calls &&
    (is_bar(inner) || is_structured_bar(inner))
}

# The name of a function around a bar that is not a covariance structure. As the bar may also mean
# "or", this is only used if the formula has no other random-effects term.
unknown_structure <- function(expr) {
  if (!is.call(expr)) {
    return(NULL)
  }
  if (!call_name(expr) %in% formula_operators) {
    is_around <- length(expr) >= 2L &&
      !call_name(expr) %in% c("I", "!", bar_operators) &&
      is_bar(strip_parens(expr[[2L]]))
    return(if (is_around) structure_name(expr))
  }
  for (i in seq_along(expr)[-1L]) {
    found <- unknown_structure(expr[[i]])
    if (!is.null(found)) return(found)
  }
}

# Whether an expression has a bar inside formula operators only: in `I(a | b)` or `ifelse(a | b, 0,
# 1)` the bar means "or".
has_bar <- function(expr) {
  if (!names_bar(expr)) {
    return(FALSE)
  }
  if (!call_name(expr) %in% formula_operators) {
    return(is_bar(expr) || is_structured_bar(expr))
  }
  for (side in as.list(expr)[-1L]) {
    if (has_bar(side)) return(TRUE)
  }
  FALSE
}

formula_operators <- c(
  "(",
  "+",
  "-",
  "*",
  "/",
  ":",
  "^",
  "%in%",
  "&"
)

# Bars ----------------------------------------------------------------------

#' Parses one bar, possibly inside the call of a structure, into one term or, for `||`, several
#' @noRd
read_bar <- function(bar) {
  structure <- "us"
  called <- NULL
  if (!is_bar(bar)) {
    structure <- read_structure(bar)
    called <- if (structure_name(bar) == "zerocorr") "zerocorr"
    bar <- inner_bar(bar)
  }
  check_no_bar_within(bar)
  groups <- expand_group(bar[[3L]])
  if (length(groups) == 0L) {
    abort_constant_group(bar)
  }
  if (call_name(bar) == "||") {
    return(read_double_bar(bar, structure, groups, called))
  }
  list(list(
    effects = bar[[2L]],
    structure = structure,
    groups = groups,
    called = called
  ))
}

# The bar inside the parentheses of a structure's call.
inner_bar <- function(expr) {
  bar <- strip_parens(expr[[2L]])
  if (!is_bar(bar)) {
    abort_two_structures(expr)
  }
  bar
}

check_no_bar_within <- function(bar) {
  if (has_bar(bar[[2L]]) || has_bar(bar[[3L]])) {
    abort_nested_bar(bar)
  }
}

# `(x || g)` becomes one term for each effect, or a single `diag()` term if an option says so.
read_double_bar <- function(bar, structure, groups, called) {
  if (has_rho(structure)) {
    abort_double_bar(structure, bar)
  }
  if (structure == "us" && !double_bar_is_diag()) {
    as_term <- \(e) list(effects = e, structure = "us", groups = groups)
    return(lapply(split_effects(bar[[2L]]), as_term))
  }
  if (structure == "us") {
    structure <- "diag"
  }
  list(list(
    effects = bar[[2L]],
    structure = structure,
    groups = groups,
    called = called
  ))
}

# lme4's option is used if ours isn't set.
double_bar_is_diag <- function() {
  own <- getOption("rlmm.double_bar")
  if (!is.null(own)) {
    return(option_of(own, c("split", "diag"), "rlmm.double_bar") == "diag")
  }
  name <- "lme4.doublevert.default"
  lme4s <- getOption(name, "split")
  option_of(lme4s, c("split", "diag_special"), name) == "diag_special"
}

option_of <- function(value, allowed, name) {
  one_of(value, allowed, sprintf("options(%s = )", name))
}

abort_two_structures <- function(bar) {
  abort_formula(
    "A random-effects term must have one covariance structure.",
    x = paste0("It is ", tick(deparse_one(bar)), "."),
    class = "rlmm_error_structure"
  )
}

abort_double_bar <- function(structure, bar) {
  single <- call("|", bar[[2L]], bar[[3L]])
  abort_formula(
    paste0(
      "A term in ",
      tick(paste0(structures[[structure]]$call, "()")),
      " can't have `||`."
    ),
    x = paste0(
      "In ",
      tick(deparse_one(structured_call(structure, bar))),
      " the effects would be both correlated and not."
    ),
    i = paste0(
      "Write ",
      tick(deparse_one(structured_call(structure, single))),
      ", or ",
      tick(deparse_one(call("(", bar))),
      "."
    ),
    class = "rlmm_error_structure"
  )
}

# Splits the effects before `||` as lme4 does: an expression for the intercept, and one without
# intercept for each term.
split_effects <- function(effects) {
  terms <- stats::terms.formula(rlang::new_formula(NULL, effects))
  labels <- lapply(attr(terms, "term.labels"), str2lang)
  slopes <- lapply(labels, function(label) call("+", 0, label))
  if (attr(terms, "intercept") == 1L) {
    return(c(list(1), slopes))
  }
  if (length(slopes) == 0L) list(0) else slopes
}

# Grouping ------------------------------------------------------------------

#' Expands the right side of a bar into groupings
#'
#' A grouping is a list: `atoms` (expressions, each a variable or a call to evaluate) and `name`.
#' `a/b` gives `a` and `b:a`, `a * b` gives `a`, `b` and `a:b`, and `a + b` gives `a` and `b`.
#' @noRd
expand_group <- function(expr) {
  if (!is.symbol(expr) && !is.call(expr)) {
    return(list())
  }
  op <- call_name(expr)
  if (op == "(") {
    return(expand_group(expr[[2L]]))
  }
  if (length(expr) != 3L || !op %in% group_operators) {
    return(list(new_group(list(expr))))
  }
  sides <- lapply(as.list(expr)[-1L], expand_group)
  expand_operator(op, sides[[1L]], sides[[2L]])
}

group_operators <- c("+", ":", "&", "%in%", "*", "/")

expand_operator <- function(op, left, right) {
  groups <- switch(
    op,
    `+` = c(left, right),
    `*` = c(left, right, cross_groups(left, right)),
    `/` = c(
      cross_groups(list(merge_groups(left)), right, reversed = TRUE),
      left
    ),
    cross_groups(left, right)
  )
  groups[!duplicated(vapply(groups, `[[`, "", "name"))]
}

cross_groups <- function(left, right, reversed = FALSE) {
  out <- list()
  for (l in left) {
    for (r in right) {
      atoms <- unique(c(as_written(l), as_written(r)))
      out <- c(
        out,
        list(new_group(if (reversed) rev(atoms) else atoms, reversed))
      )
    }
  }
  out
}

# The atoms of a grouping from the outer to the inner one: `a/b/c` has the groupings "b:a" and
# "c:b:a".
as_written <- function(group) {
  if (group$reversed) rev(group$atoms) else group$atoms
}

merge_groups <- function(groups) {
  new_group(unique(unlist(lapply(groups, as_written))))
}

new_group <- function(atoms, reversed = FALSE) {
  if (length(atoms) == 1L) {
    return(list(
      atoms = atoms,
      name = deparse_one(atoms[[1L]]),
      reversed = FALSE
    ))
  }
  name <- paste(
    vapply(atoms, deparse, "", backtick = TRUE, width.cutoff = 500L),
    collapse = ":"
  )
  list(atoms = atoms, name = name, reversed = reversed)
}

# `&` -----------------------------------------------------------------------

#' Replaces `a & b` by `a:b`
#'
#' In R `&` has lower precedence than `+`, so that `x + a & b + (1 | g)` is parsed as `(x + a) & (b
#' + (1 | g))`. The expression is split into summands, and the last summand before each `&`
#' interacts with the first one after it.
#' @noRd
read_ampersand <- function(expr) {
  op <- call_name(expr)
  if (op == "&" && length(expr) == 3L) {
    left <- read_ampersand(expr[[2L]])
    return(interact(left, read_ampersand(expr[[3L]])))
  }
  if (op %in% c(ampersand_operators, names(structure_calls))) {
    for (i in seq_along(expr)[-1L]) {
      expr[[i]] <- read_ampersand(expr[[i]])
    }
  }
  expr
}

# The functions whose arguments are searched for `&`; within others it is R's "and".
ampersand_operators <- c(setdiff(formula_operators, "&"), "|", "||")

interact <- function(left, right) {
  if (is_sum_of_two(right)) {
    first <- interact(left, right[[2L]])
    return(call(call_name(right), first, right[[3L]]))
  }
  if (is_sum_of_two(left)) {
    second <- interact(left[[3L]], right)
    return(call(call_name(left), left[[2L]], second))
  }
  call(":", left, right)
}

is_sum_of_two <- function(expr) {
  call_name(expr) %in% c("+", "-") && length(expr) == 3L
}

# Errors --------------------------------------------------------------------

abort_nested_bar <- function(bar) {
  abort_formula(
    "A random-effects term can't hold another one.",
    x = paste0("It is ", tick(paste0("(", deparse_one(bar), ")")), "."),
    i = "For nested grouping factors write `(1 | a/b)`.",
    i = label_hint(bar)
  )
}

# The hint for brms's `(x | label | g)`.
label_hint <- function(bar) {
  inner <- bar[[2L]]
  if (is.call(inner) && identical(inner[[1L]], as.name("|"))) {
    without <- call("(", call("|", inner[[2L]], bar[[3L]]))
    paste0("Without brms's label it is ", tick(deparse_one(without)), ".")
  }
}

abort_constant_group <- function(bar) {
  abort_formula(
    paste0(
      "The grouping factor of ",
      tick(paste0("(", deparse_one(bar), ")")),
      " must be a variable."
    ),
    x = "It is a constant.",
    i = if (is.character(bar[[3L]])) {
      "Write its name without quotes."
    } else if (is.symbol(bar[[2L]])) {
      sprintf("It stands behind the bar: `(1 | %s)`?", deparse_one(bar[[2L]]))
    }
  )
}
