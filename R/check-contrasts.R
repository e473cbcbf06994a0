# Checks of the argument `contrasts`.

check_contrasts <- function(contrasts, frame) {
  if (is.null(contrasts) || identical(contrasts, list())) {
    return(invisible())
  }
  if (!is.list(contrasts) || is.null(names(contrasts))) {
    abort_unnamed_contrasts(contrasts)
  }
  unknown <- setdiff(names(contrasts), names(frame))
  if (length(unknown) > 0L) {
    abort_unknown_contrasts(unknown, names(frame))
  }
  for (name in names(contrasts)) {
    check_has_levels(frame[[name]], name)
    check_contrast_function(contrasts[[name]], name)
    check_contrast_rows(contrasts[[name]], name, frame[[name]])
  }
}

check_has_levels <- function(x, name) {
  if (is.factor(x) || is.character(x) || is.logical(x)) {
    return(invisible())
  }
  abort_argument(
    sprintf("`contrasts` names %s, which isn't a factor.", tick(name)),
    x = it_is(x),
    arg = "contrasts"
  )
}

# Checks contrasts that are given by a function or its name.
check_contrast_function <- function(contrast, name) {
  is_name <- is.character(contrast) && length(contrast) == 1L
  if (!is_name || exists(contrast, mode = "function")) {
    return(invisible())
  }
  known <- c("contr.treatment", "contr.sum", "contr.helmert", "contr.poly")
  abort_argument(
    sprintf("Can't find the contrasts of %s.", tick(name)),
    x = sprintf("There is no function `%s()`.", contrast),
    coding_hint(contrast) %||% did_you_mean(contrast, c(known, "contr.SAS")),
    arg = "contrasts"
  )
}

# The hint for the names of contrasts in MixedModels.jl and statsmodels.
coding_hint <- function(name) {
  ours <- switch(
    sub("Coding$", "", name),
    Dummy = ,
    Treatment = "contr.treatment",
    Effects = ,
    Sum = "contr.sum",
    Helmert = "contr.helmert",
    Poly = "contr.poly"
  )
  if (!is.null(ours)) c(i = sprintf("Here it is `%s`.", ours))
}

abort_unnamed_contrasts <- function(contrasts) {
  abort_argument(
    "`contrasts` must be a named list.",
    x = it_is(contrasts),
    i = "For example `list(f = contr.sum)`.",
    arg = "contrasts"
  )
}

abort_unknown_contrasts <- function(unknown, known) {
  problem <- sprintf(
    "`contrasts` names %s, which isn't a variable of `formula`.",
    enumerate(tick(unknown))
  )
  abort_argument(problem, did_you_mean(unknown[1], known), arg = "contrasts")
}

check_contrast_rows <- function(contrast, name, x) {
  n_levels <- if (is.factor(x)) {
    nlevels(x)
  } else {
    length(unique(x))
  }
  if (!is.matrix(contrast) || nrow(contrast) == n_levels) {
    return(invisible())
  }
  problem <- sprintf(
    "The contrasts of %s must have a row for each of its %s.",
    tick(name),
    plural(n_levels, "level")
  )
  abort_argument(
    problem,
    x = paste0("They have ", plural(nrow(contrast), "row"), "."),
    i = "Levels that don't occur in the data don't count.",
    arg = "contrasts"
  )
}
