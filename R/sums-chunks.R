# Sums of data frames, one or many.

# A function that doesn't go back has no first chunk at the second time.
abort_no_way_back <- function() {
  abort_argument(
    "`data(TRUE)` must go back to the first chunk.",
    x = "After it `data(FALSE)` returned `NULL`.",
    i = "Chunks are read twice, as the levels of factors must be known first.",
    arg = "data"
  )
}

#' Sums of all chunks; the reader is read twice only where levels must be known first
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
  read_on(reader)
  label <- label_apart_in_chunks(formula, chunks$first, extras, options, known)
  sums_with_apart(formula, label, \(formula) {
    plan <- sums_plan(formula, chunks$first, extras, options, known)
    plan$coded <- coded_levels(plan, chunks$first, extras)
    if (is.null(chunks$second)) {
      plan$dependent <- unlike_their_part(plan, chunks$first, extras)
    } else {
      refuse_dependent(unlike_their_part(plan, chunks$first, extras))
    }
    total <- chunk_sums(plan, chunks$first, extras)
    add_chunks(total, chunks, extras, reader)
  })
}

# A large factor, from the levels of all chunks, or of the only one; others have columns.
label_apart_in_chunks <- function(formula, chunk, extras, options, known) {
  parsed <- parse_formula(formula, chunk)
  known <- known %||%
    lapply(categories(formula, parsed, chunk, extras), `[[`, "used")
  sizes <- lengths(known)
  has_many <- \(name) isTRUE(is_many_to_sum(sizes[name]))
  label <- label_apart(formula, chunk, extras, options$contrasts, has_many)
  for (name in setdiff(names(sizes), unquoted(label))) {
    check_number_of_levels(sizes[[name]], name)
  }
  label
}

#' The first chunk with a row that counts, and the next one
#' @param check A function of a chunk that fails if no row of it counts.
#' @noRd
first_chunks <- function(reader, check) {
  reader(TRUE)
  first <- first_that_counts(reader, check)
  list(first = first, second = if (!is.null(first)) next_chunk(reader))
}

# The error is that of the last chunk if none has a row that counts.
first_that_counts <- function(reader, check) {
  problem <- NULL
  while (!is.null(chunk <- next_chunk(reader))) {
    problem <- if_no_rows(check(chunk), identity)
    if (!inherits(problem, "condition")) {
      return(chunk)
    }
  }
  if (!is.null(problem)) stop(problem)
}

# What else becomes of a chunk whose rows all miss a value, or have no weight.
if_no_rows <- function(expr, otherwise) {
  tryCatch(expr, rlmm_error_no_rows = otherwise)
}

frame_of_chunk <- function(formula, chunk, extras) {
  parsed <- parse_formula(formula, chunk)
  whole_frame(parsed, formula_env(formula), chunk, extras)
}

add_chunks <- function(total, chunks, extras, reader) {
  chunk <- chunks$second
  while (!is.null(chunk)) {
    total <- add_chunk(total, chunk, extras)
    check_beside_first(total$plan, chunks$first, chunk, extras)
    chunk <- next_chunk(reader)
  }
  total
}

# A chunk without a row that counts adds nothing.
add_chunk <- function(total, chunk, extras) {
  sums <- if_no_rows(
    chunk_sums(total$plan, chunk, extras, total$sums),
    \(cnd) NULL
  )
  if (is.null(sums)) total else add_sums(total, sums)
}

#' All levels of the categorical variables among the effects; nothing more is read if there is none
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

# The levels that occur in the order that the chunks' factors have together; those of text in that
# of the alphabet.
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

#' The categorical variables among the effects: of each a list of `orders`, the levels in their
#' order if it is a factor, and `used`, those that occur
#' @noRd
categories <- function(formula, parsed, chunk, extras) {
  frame <- whole_frame(parsed, formula_env(formula), chunk, extras)
  is_category <- vapply(frame, \(x) is.factor(x) || is.character(x), NA)
  names <- intersect(
    summed_variables(parsed, chunk),
    names(frame)[is_category]
  )
  lapply(rlang::set_names(names), \(name) {
    x <- frame[[name]]
    list(
      orders = if (is.factor(x)) list(levels(x)),
      used = as.character(unique(x))
    )
  })
}

#' The sums of one data frame
#' @param centre Sums whose shift, fit and origins are to be taken off; `NULL` for the means and the
#'   least-squares fit of these rows.
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

#' Refuse a chunk with a variable of another kind: its columns, or their units, would be others
#'
#' Variables that only tell groups apart may be numbers here and text there.
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

# The rows of a frame that count, whose weights are whole numbers.
counted_frame <- function(frame) {
  weights <- frame[["(weights)"]]
  check_frequencies(weights)
  counted <- drop_unused(frame[weights > 0, , drop = FALSE])
  attr(counted, "terms") <- attr(frame, "terms")
  counted
}

#' The values of the variables of each grouping factor at its levels
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

# Values of a factor with all levels that its column declares, whose order holds for all chunks.
as_declared <- function(values, column) {
  if (!is.factor(values) || !is.factor(column)) {
    return(values)
  }
  factor(as.character(values), levels(column))
}

#' @return A list: `spec`, and `summed`, M of the columns of Z that it has.
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

#' @param sums What [core_sums()] returns: the terms are the grouping factors of `keys`.
#' @param keys The values of the variables of each grouping factor at its levels.
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
