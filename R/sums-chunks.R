# Sums of data that come as one data frame or in chunks.

# A reader that doesn't go back has no chunks the second time.
abort_no_way_back <- function() {
  abort_argument(
    "`data(TRUE)` must go back to the first chunk.",
    x = "After it `data(FALSE)` returned `NULL`.",
    i = "Chunks are read twice, as the levels of factors must be known first.",
    arg = "data"
  )
}

#' Sums of all chunks; the chunks are read twice only if levels must be collected first
#' @noRd
sums_of_chunks <- function(formula, reader, extras, options) {
  check <- \(chunk) frame_of_chunk(formula, chunk, extras)
  chunks <- first_chunks(reader, check)
  if (is.null(chunks$first)) {
    abort_empty_reader(reader)
  }
  known <- if (!is.null(chunks$second)) {
    collect_levels(formula, extras, chunks, reader)
  }
  if (length(known) > 0L) {
    chunks <- first_chunks(reader, check)
    if (is.null(chunks$first)) {
      abort_no_way_back()
    }
  }
  stop_rewinding(reader)
  found <- find_summed_terms_in_chunks(
    formula,
    chunks$first,
    extras,
    options,
    known
  )
  sums_with_factor_as_group(formula, found, \(formula) {
    plan <- sums_plan(formula, chunks$first, extras, options, known)
    plan$coded <- coded_levels(plan, chunks$first, extras)
    if (is.null(chunks$second)) {
      plan$dependent <- depending_on_other_rows(plan, chunks$first, extras)
    } else {
      refuse_dependent(depending_on_other_rows(plan, chunks$first, extras))
    }
    total <- chunk_sums(plan, chunks$first, extras)
    add_chunks(total, chunks, extras, reader, options$memory)
  })
}

# The terms of a large factor, from the levels in all chunks; other factors get dummy columns.
find_summed_terms_in_chunks <- function(
  formula,
  chunk,
  extras,
  options,
  known
) {
  parsed <- parse_formula(formula, chunk)
  known <- known %||%
    lapply(categories(formula, parsed, chunk, extras), `[[`, "used")
  sizes <- lengths(known)
  has_many <- \(name) isTRUE(has_many_levels(sizes[name]))
  found <- find_summed_terms(
    formula,
    chunk,
    extras,
    options$contrasts,
    has_many
  )
  check_numbers_of_levels(sizes, found)
  found
}

#' The first chunk with complete rows, and the chunk after it
#' @param check A function of a chunk that fails if none of its rows can be used.
#' @noRd
first_chunks <- function(reader, check) {
  reader(TRUE)
  first <- first_with_rows(reader, check)
  list(first = first, second = if (!is.null(first)) next_chunk(reader))
}

# If no chunk has usable rows, the error of the last one is raised.
first_with_rows <- function(reader, check) {
  problem <- NULL
  while (!is.null(chunk <- next_chunk(reader))) {
    problem <- if_no_rows(check(chunk), identity)
    if (!inherits(problem, "condition")) {
      return(chunk)
    }
  }
  if (!is.null(problem)) stop(problem)
}

# Evaluates an expression, with an alternative for a chunk whose rows all have missing values or
# zero weight.
if_no_rows <- function(expr, otherwise) {
  tryCatch(expr, rlmm_error_no_rows = otherwise)
}

frame_of_chunk <- function(formula, chunk, extras) {
  parsed <- parse_formula(formula, chunk)
  whole_frame(parsed, formula_env(formula), chunk, extras)
}

add_chunks <- function(total, chunks, extras, reader, limit = NULL) {
  chunk <- chunks$second
  while (!is.null(chunk)) {
    check_sums_fit(total, limit)
    total <- add_chunk(total, chunk, extras)
    check_against_first(total$plan, chunks$first, chunk, extras)
    chunk <- next_chunk(reader)
  }
  total
}

# A chunk without usable rows adds nothing.
add_chunk <- function(total, chunk, extras) {
  sums <- if_no_rows(
    chunk_sums(total$plan, chunk, extras, total$sums),
    \(cnd) NULL
  )
  if (is.null(sums)) total else add_sums(total, sums)
}

#' The levels of the categorical variables in the effects, from all chunks; `NULL`, without reading
#' further chunks, if there are no such variables
#' @noRd
collect_levels <- function(formula, extras, chunks, reader) {
  parsed <- parse_formula(formula, chunks$first)
  of <- \(chunk) categories(formula, parsed, chunk, extras)
  found <- of(chunks$first)
  if (length(found) == 0L) {
    return(NULL)
  }
  chunk <- chunks$second
  while (!is.null(chunk)) {
    new <- if_no_rows(of(chunk), \(cnd) NULL)
    if (!is.null(new)) {
      check_same_categories(names(new), names(found))
      found <- Map(more_levels, found, new[names(found)])
    }
    chunk <- next_chunk(reader)
  }
  lapply(found, \(own) ordered_levels(own$orders, own$used))
}

more_levels <- function(found, new) {
  list(
    orders = unique(c(found$orders, new$orders)),
    used = union(found$used, new$used)
  )
}

# The levels that occur, in an order that agrees with the factors of all chunks; levels of text
# variables are sorted.
ordered_levels <- function(orders, used) {
  order <- if (length(orders) > 0L) common_order(orders)
  c(intersect(order, used), sort(setdiff(used, order)))
}

check_same_categories <- function(names, known) {
  odd <- c(setdiff(known, names), setdiff(names, known))
  if (length(odd) > 0L) {
    kinds <- c("text or a factor", "neither text nor a factor")
    kinds <- if (odd[1L] %in% known) kinds else rev(kinds)
    abort_other_kind(odd[1L], kinds[1L], kinds[2L])
  }
}

#' The categorical variables in the effects of a chunk
#' @return A list for each variable: `orders`, a list with its levels if it is a factor; and `used`,
#'   the levels that occur.
#' @noRd
categories <- function(formula, parsed, chunk, extras) {
  frame <- whole_frame(parsed, formula_env(formula), chunk, extras)
  is_category <- vapply(frame, \(x) is.factor(x) || is.character(x), NA)
  names <- intersect(
    summed_variables(parsed, chunk),
    names(frame)[is_category]
  )
  lapply(unclass(frame)[names], category_of)
}

# The order of a variable's levels, if it has one, and the levels that occur.
category_of <- function(x) {
  list(
    orders = if (is.factor(x)) list(levels(x)),
    used = as.character(unique(x))
  )
}

#' The sums of one chunk
#' @param centre Sums whose column shifts, fitted values and origins are subtracted; by default the
#'   column means and the least-squares fit of this chunk.
#' @noRd
chunk_sums <- function(plan, chunk, extras, centre = NULL) {
  env <- formula_env(plan$formula)
  whole <- whole_frame(plan$parsed, env, chunk, extras)
  frame <- drop_unused(without_own_contrasts(whole))
  check_same_kinds(frame, plan)
  if (plan$frequency) {
    frame <- counted_frame(frame)
  }
  groups <- term_codes(plan$random, frame)
  made <- chunk_spec(
    plan,
    with_known_levels(frame, plan$xlevels),
    groups,
    centre
  )
  sums <- core_sums(made$spec, centre$shift, centre$beta0)
  sums["summed"] <- list(made$summed)
  keys <- group_keys(plan$random, groups, frame, chunk)
  if (!plan$frequency) {
    return(new_sums(plan, sums, keys, nrow(frame)))
  }
  sums$n_eff <- sum(frame[["(weights)"]])
  sums$sum_log_weights <- 0
  new_sums(plan, sums, keys, sums$n_eff)
}

#' Raises an error if a variable of a chunk is of another kind than in the plan, as its columns or
#' units would differ
#'
#' Variables that only define groups may be numbers in one chunk and text in another.
#' @noRd
check_same_kinds <- function(frame, plan) {
  grouping <- unlist(lapply(plan$random, `[[`, "group_vars"))
  of_effects <- rownames(attr(plan$fixed$terms, "factors"))
  names <- setdiff(names(plan$template), setdiff(grouping, of_effects))
  for (name in intersect(names, names(frame))) {
    known <- kind_of_column(plan$template[[name]])
    found <- kind_of_column(frame[[name]])
    if (known != found) {
      abort_other_kind(name, known, found)
    }
  }
}

kind_of_column <- function(x) {
  if (is.factor(x) || is.character(x)) {
    "text or a factor"
  } else if (is.numeric(x) && (is.matrix(x) || !is.object(x))) {
    "numeric"
  } else {
    paste("of class", in_quotes(class(x)[1L]))
  }
}

abort_other_kind <- function(name, known, found) {
  abort_rlmm(
    c(
      "A variable must be of the same kind in all chunks.",
      x = sprintf(
        "%s is %s in the first chunk, and %s in another.",
        tick(name),
        known,
        found
      ),
      i = "Convert it in the function that reads the chunks."
    ),
    "rlmm_error_variable"
  )
}

# The rows with positive frequencies.
counted_frame <- function(frame) {
  weights <- frame[["(weights)"]]
  check_frequencies(weights)
  counted <- drop_unused(frame[weights > 0, , drop = FALSE])
  attr(counted, "terms") <- attr(frame, "terms")
  counted
}

#' The values of the variables of each grouping factor, one for each level
#' @return A named list of lists.
#' @noRd
group_keys <- function(random, groups, frame, chunk) {
  terms <- random[match(names(groups), vapply(random, `[[`, "", "group"))]
  keys <- Map(groups, terms, f = \(group, term) {
    first <- match(seq_along(group$levels), group$refs)
    vars <- rlang::set_names(term$group_vars)
    lapply(vars, \(var) as_declared(frame[[var]][first], chunk[[var]]))
  })
  rlang::set_names(keys, names(groups))
}

# A factor with all levels of its column in the data, so that the order of levels can be compared
# between chunks.
as_declared <- function(values, column) {
  if (!is.factor(values) || !is.factor(column)) {
    return(values)
  }
  factor(as.character(values), levels(column))
}

#' The spec of a chunk, with the origins of Z subtracted
#' @return A list: `spec`, and `summed`, the matrices M of [columns_summed()].
#' @noRd
chunk_spec <- function(plan, frame, groups, centre) {
  new <- list(
    data = frame,
    stored = TRUE,
    n = nrow(frame)
  )
  fixed <- plan$fixed
  terms <- stats::delete.response(fixed$terms)
  x <- part_columns(terms, fixed$contrasts, fixed$xlevels, new)
  z <- lapply(plan$random, effects_columns, new = new)
  origins <- if (is.null(centre)) {
    effect_origins(plan$random, z, new$n)
  } else {
    origins_of(centre$summed, plan$random)
  }
  z <- Map(without_origins, z, origins, new$n)
  terms <- core_terms(plan$random, z, groups)
  spec <- design_spec(
    frame,
    x,
    response(frame),
    terms,
    reml = FALSE,
    sigma = NULL
  )
  list(spec = spec, summed = columns_summed(plan$random, origins))
}

#' @param sums The result of [core_sums()], with the grouping factors of `keys` as terms.
#' @param keys The values of the variables of each grouping factor, one for each level.
#' @noRd
new_sums <- function(plan, sums, keys, n) {
  levels <- lapply(keys, key_labels)
  structure(
    list(
      plan = plan,
      sums = sums,
      levels = levels,
      keys = keys,
      n = n
    ),
    class = "rlmm_sums"
  )
}
