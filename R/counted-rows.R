# Distinct rows with counts: for data outside R's memory, a generalized model is fitted to the
# distinct rows of its variables, each with its frequency.

#' The distinct rows of the variables of a model, with their frequencies
#' @param data A table or a reader.
#' @param limit The largest amount of memory for these rows, in GiB.
#' @return A data frame with the column `(counts)`.
#' @noRd
distinct_rows <- function(formula, data, extras, limit) {
  memory <- min(free_memory(), limit * 2^30)
  exprs <- c(list(formula), lapply(extras, rlang::quo_get_expr))
  variables <- unique(unlist(lapply(exprs, all.vars)))
  rows <- if (is_lazy_table(data)) {
    counted_rows_of_table(data, variables, memory)
  } else {
    counted_rows_of_chunks(as_reader(data), variables, memory)
  }
  rows <- with_counted_bases(formula, rows, extras, memory)
  class(rows) <- c("rlmm_counted_rows", "data.frame")
  rows
}

#' Adds the columns of bases, such as `poly(x, 2)`, whose parameters depend on all rows
#'
#' Any other variable that depends on other rows, such as `cumsum(x)`, is an error.
#' @noRd
with_counted_bases <- function(formula, rows, extras, memory) {
  some <- utils::head(rows[names(rows) != counts_name], n_sampled_rows)
  parsed <- parse_formula(formula, some)
  env <- formula_env(formula)
  terms <- frame_terms(parsed, env, some)
  frame <- eval_frame(terms, some, NULL, parsed$bars)
  plan <- list(
    formula = formula,
    parsed = parsed,
    variables = attr(terms, "variables"),
    predvars = attr(attr(frame, "terms"), "predvars")
  )
  made <- counted_bases(bases(plan), rows, env, memory)
  plan$bases <- names(made)
  check_row_wise(plan, some, extras)
  if (length(made) == 0L) {
    return(rows)
  }
  for (name in names(made)) {
    rows[[name]] <- eval(made[[name]], rows, env)
  }
  attr(terms, "predvars") <- plan$variables
  as_fitted_data(rows, set_predvars(terms, made), NULL)
}

# The calls of the bases with their parameters, by name; each needs the repeated rows in memory.
counted_bases <- function(names, rows, env, memory) {
  if (24 * sum(rows[[counts_name]]) > memory) {
    return(list())
  }
  made <- lapply(rlang::set_names(names), counted_basis, rows, env)
  is_known <- \(name) !identical(made[[name]], str2lang(name))
  made[Filter(is_known, names)]
}

# The call of a basis with the parameters that it takes from all rows.
counted_basis <- function(name, rows, env) {
  expr <- str2lang(name)
  times <- rep(seq_len(nrow(rows)), rows[[counts_name]])
  own <- intersect(names(rows), all.vars(expr))
  all <- lapply(unclass(rows)[own], `[`, times)
  frozen <- freeze(expr, length(times), all, env)
  stats::makepredictcall(eval(expr, all, env), frozen)
}

#' Adds a quosure of the counts to those of a call, if the data have counts
#' @noRd
with_counts <- function(extras, data) {
  if (inherits(data, "rlmm_counted_rows")) {
    counts <- rlang::new_quosure(as.name(counts_name), emptyenv())
    extras <- c(extras, list(counts = counts))
  }
  extras
}

# Tables ------------------------------------------------------------------------

counted_rows_of_table <- function(table, variables, memory) {
  check_table_packages(table)
  table <- ungrouped(table)
  columns <- requested_columns(variables, names_of_table(table))
  groups <- lapply(columns, as.name)
  grouped <- dplyr::group_by(rows_with(table, columns), !!!groups)
  counts <- rlang::set_names(list(quote(n())), counts_name)
  statement <- dplyr::ungroup(dplyr::summarise(grouped, !!!counts))
  rows <- collect_distinct(statement, memory)
  if (nrow(rows) == 0L) {
    first_rows_of(rows_with(table, columns), table)
  }
  columns <- lapply(rows, without_long_integers)
  columns[[counts_name]] <- as.numeric(columns[[counts_name]])
  as_frame(columns, c(NA, -nrow(rows)))
}

collect_distinct <- function(statement, memory) {
  limit <- floor(memory / bytes_of_distinct(names_of_table(statement)))
  first <- utils::head(statement, limit + 1)
  collected <- tryCatch(dplyr::collect(first), error = abort_unreadable)
  if (nrow(collected) > limit) {
    n <- as.numeric(dplyr::collect(dplyr::count(statement))$n)
    abort_too_many_distinct(n, names_of_table(statement), memory)
  }
  as.data.frame(collected)
}

# The memory of a row, as collected, in the model frame, in X and Z, and in PIRLS.
bytes_of_distinct <- function(columns) 8 * (4 * length(columns) + 15)

abort_too_many_distinct <- function(n, columns, memory) {
  gib <- \(bytes) format(bytes / 2^30, digits = 2L)
  columns <- setdiff(columns, counts_name)
  needed <- sprintf(
    "%s distinct rows of %s need %s GiB, and %s may be taken.",
    if (is.na(n)) "The" else format_count(n),
    enumerate(tick(columns), max = 5L),
    if (is.na(n)) "more" else gib(n * bytes_of_distinct(columns)),
    gib(memory)
  )
  abort_rlmm(
    c(
      "The rows of a generalized model don't fit into R's memory.",
      x = needed,
      i = "Equal rows are counted: is there a variable that could be rounded, or classed?"
    ),
    c("rlmm_error_too_large", "rlmm_error_sums"),
    rows = n
  )
}

# Chunks ------------------------------------------------------------------------

counted_rows_of_chunks <- function(reader, variables, memory) {
  reader(TRUE)
  stop_rewinding(reader)
  rows <- NULL
  while (!is.null(chunk <- next_chunk(reader))) {
    columns <- requested_columns(variables, names(chunk))
    kept <- stats::na.omit(as.data.frame(chunk)[columns])
    rows <- count_equal(rbind(rows, with_ones(kept)))
    if (nrow(rows) > memory / bytes_of_distinct(names(rows))) {
      abort_too_many_distinct(NA, names(rows), memory)
    }
  }
  if (is.null(rows)) {
    abort_empty_reader(reader)
  }
  if (nrow(rows) == 0L) {
    abort_rlmm(
      "The data must have a row without missing values.",
      "rlmm_error_no_rows"
    )
  }
  rows
}

with_ones <- function(rows) {
  rows[[counts_name]] <- rep(1, nrow(rows))
  rows
}

#' Merges equal rows and adds up their counts
#' @noRd
count_equal <- function(rows) {
  values <- rows[names(rows) != counts_name]
  code <- code_of_rows(values, nrow(rows))
  first <- which(!duplicated(code))
  totals <- rowsum(rows[[counts_name]], match(code, code[first]))
  columns <- lapply(unclass(values), \(x) x[first])
  columns[[counts_name]] <- as.vector(totals)
  as_frame(columns, c(NA, -length(first)))
}

# Fits ----------------------------------------------------------------------------

#' Whether the rows of a fit have counts
#' @noRd
is_counted <- function(fit) !is.null(frame_counts(fit$frame))

#' The fit with each row repeated by its count, for results about single rows
#' @noRd
with_all_rows <- function(fit) {
  if (!is_counted(fit)) {
    return(fit)
  }
  counts <- frame_counts(fit$frame)
  check_all_rows_fit(sum(counts), names(fit$frame))
  rows <- rep(seq_along(counts), counts)
  fit$working_weights <- fit$working_weights / counts
  for (name in c("fitted", "eta", "working_weights")) {
    fit[[name]] <- fit[[name]][rows]
  }
  fit$frame <- frame_of_rows(fit$frame, rows)
  fit
}

frame_of_rows <- function(frame, rows) {
  kept <- setdiff(names(frame), counts_name)
  columns <- lapply(unclass(frame)[kept], chosen_rows, rows)
  picked <- as_frame(columns, c(NA, -length(rows)))
  attr(picked, "terms") <- attr(frame, "terms")
  picked
}

check_all_rows_fit <- function(n, columns) {
  needed <- n * bytes_of_distinct(columns)
  memory <- free_memory()
  if (needed <= memory) {
    return(invisible())
  }
  gib <- \(bytes) format(bytes / 2^30, digits = 2L)
  abort_rlmm(
    c(
      "This needs the rows one by one, which don't fit into R's memory.",
      x = sprintf(
        "%s rows need %s GiB, and %s may be taken.",
        format_count(n),
        gib(needed),
        gib(memory)
      )
    ),
    c("rlmm_error_too_large", "rlmm_error_no_rows"),
    rows = n
  )
}

counted_note <- function(fit) {
  if (!is_counted(fit)) {
    return(NULL)
  }
  note <- sprintf(
    "The observations are %s, each with the number of its equals.",
    plural(nrow(fit$frame), "distinct row")
  )
  strwrap(note, exdent = 2)
}
