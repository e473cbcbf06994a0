# Conditions: every error, warning and message of the package is raised here, with a class of its
# own before the common one. The text has no markup, so that a level called "{x}" is printed as it
# is.

abort_rlmm <- function(message, class, ..., call = NULL, parent = NULL) {
  call <- call %||% user_frame()
  rlang::abort(
    message,
    class = c(class, "rlmm_error"),
    ...,
    call = call,
    parent = parent
  )
}

#' Raises an error about the value of an argument of an exported function
#' @param problem A sentence that says what the argument must be.
#' @param x,i,hint The value that was found, and hints: `i` is text, `hint` text named by bullet
#'   types.
#' @param ... Fields of the condition.
#' @noRd
abort_argument <- function(
  problem,
  hint = NULL,
  x = NULL,
  i = NULL,
  ...,
  arg,
  class = NULL
) {
  abort_rlmm(
    c(problem, x = x, i = i, hint),
    c(class, "rlmm_error_argument"),
    arg = arg,
    ...
  )
}

warn_rlmm <- function(message, class, ...) {
  rlang::warn(message, class = c(class, "rlmm_warning"), ...)
}

# Gives a message as rlang::inform() does, in a tenth of its time: a message about a singular fit
# should not take longer than the fit.
inform_rlmm <- function(message, class, ...) {
  cnd <- structure(
    class = c(class, "rlmm_message", "rlang_message", "message", "condition"),
    list(message = message, call = NULL, ...)
  )
  withRestarts(muffleMessage = function() NULL, {
    signalCondition(cnd)
    cat(paste0(conditionMessage(cnd), "\n"), file = stderr())
  })
  invisible()
}

#' @export
conditionMessage.rlmm_message <- function(c) {
  unicode <- getOption("cli.unicode", l10n_info()[["UTF-8"]])
  marks <- if (unicode) {
    c(i = "\u2139 ", x = "\u2716 ", `!` = "! ")
  } else {
    c(i = "i ", x = "x ", `!` = "! ")
  }
  mark <- marks[names(c$message) %||% ""]
  mark <- ifelse(is.na(mark), "", mark)
  paste0(mark, c$message, collapse = "\n")
}

#' Raises the condition of a check according to its policy
#' @param name The name of the check in snake case: classes are `rlmm_error_<name>`, and so on.
#' @noRd
signal <- function(policy, message, name, ...) {
  switch(
    policy,
    ignore = NULL,
    message = inform_rlmm(message, paste0("rlmm_message_", name), ...),
    warning = warn_rlmm(message, paste0("rlmm_warning_", name), ...),
    stop = abort_rlmm(message, paste0("rlmm_error_", name), ...)
  )
  invisible()
}

# The frame of the package's outermost function in the call stack, which is the one the user called.
user_frame <- function() {
  home <- environment(user_frame)
  for (i in seq_len(sys.nframe())) {
    if (identical(environment(sys.function(i)), home)) {
      return(sys.frame(i))
    }
  }
  NULL
}

#' Raises an error that Rust returned as data
#' @param err A list of class `rlmm_core_error`: `kind`, `message` and the fields of that kind.
#' @noRd
abort_core <- function(err, call = NULL) {
  fields <- unclass(err)
  fields <- fields[setdiff(
    names(fields),
    c("kind", "message", "class", "call")
  )]
  text <- core_error_text(err)
  rlang::inject(abort_rlmm(
    text,
    paste0("rlmm_error_", err$kind),
    !!!fields,
    call = call
  ))
}

core_error_text <- function(err) {
  text <- core_error_texts[[err$kind]] %||% fault_text
  text(err)
}

# The text of an internal error of the core, which no user's call should cause.
fault_text <- function(err) {
  c(
    "The numerical core reports an error that is a fault of rlmm.",
    x = paste0(err$message %||% err$kind, "."),
    i = "Please report it, with the call and, if you can, the data."
  )
}

# The texts of the core's errors in the user's terms, from their fields.
core_error_texts <- list(
  not_positive_definite = \(err) {
    c(
      "The penalized least squares problem can't be solved.",
      x = sprintf("It is not positive definite at pivot %s.", err$pivot),
      i = paste(
        "Is a covariate on a very large scale, or nearly a combination of others,",
        "or `start` very large?"
      ),
      i = "Or is a generalized model's observed `information` not positive at the modes?",
      i = "Or does its link let the mean leave its range?"
    )
  },
  parameter = \(err) {
    c(
      "A correlation must lie where the covariance matrix is positive semi-definite.",
      x = sprintf(
        "Element %s of theta is %s.",
        err$index,
        four_digits(err$value)
      ),
      i = sprintf(
        "Here it lies between %s and %s.",
        four_digits(err$lower),
        four_digits(err$upper)
      )
    )
  },
  non_finite = \(err) {
    c(
      "The objective is not a finite number.",
      x = paste0(err$message, "."),
      i = "Is a value of the data, of the weights, or of `start` very large?"
    )
  },
  optimizer = \(err) {
    c(
      "The optimizer could not start.",
      x = paste0("It says: ", err$status, "."),
      i = "Try another `start`, or another `optimizer` in `rlmm_control()`."
    )
  },
  too_few_observations = \(err) {
    c(
      "The model must have more observations of positive weight than fixed effects.",
      x = sprintf(
        "There are %s and %s.",
        plural(err$n, "observation"),
        plural(err$p, "fixed effect")
      )
    )
  },
  origin = \(err) {
    if (err$beside != "intercept") {
      return(origin_beside_fixed(err))
    }
    c(
      paste(
        "A covariate of a random slope is too far from zero:",
        "its digits are lost beside the intercept."
      ),
      x = if (!is.null(err$name)) {
        sprintf(
          "The mean of %s is more than 1e9 times its standard deviation.",
          tick(err$name)
        )
      },
      i = "Centre it: take its mean, or a round number near it, off."
    )
  },
  zero_residual = \(err) {
    c(
      "The model must leave a residual.",
      x = paste(
        "The fixed and random effects reproduce the response exactly,",
        "so its likelihood has no maximum."
      ),
      i = "Is the response computed from the covariates?"
    )
  },
  too_large = \(err) {
    c(
      "The model is too large for the memory.",
      x = memory_text(err$gib, err$free),
      i = "Is there a machine with more memory, or can a term be left out?"
    )
  },
  needs_factor = \(err) {
    c(
      "This needs a Cholesky factor, which the iterative engine doesn't compute.",
      i = "Fit with `rlmm_control(engine = \"exact\")`, if there is the time and the memory."
    )
  },
  hessian_too_large = \(err) {
    c(
      "The exact Hessian is too large for the memory.",
      x = sprintf("It needs %s beside the model.", gib_text(err$gib)),
      i = "`variance_vcov()` and `summary()` use the average information for such models."
    )
  },
  response = \(err) {
    c(
      "The response must lie in the range of the family.",
      x = sprintf("It is %s in row %s.", four_digits(err$value), err$row)
    )
  },
  unknown_family = \(err) {
    c(
      "The family must be one that rlmm knows.",
      x = paste0("It is \"", err$name, "\".")
    )
  },
  unknown_link = \(err) {
    c(
      "The link must be one that rlmm knows for the family.",
      x = paste0("It is \"", err$name, "\".")
    )
  },
  unknown_structure = \(err) {
    c(
      "The covariance structure must be one that rlmm knows for the model.",
      x = paste0("It is ", err$name, ".")
    )
  },
  pirls = \(err) {
    c(
      "PIRLS failed to find the conditional modes.",
      x = pirls_failure(err),
      i = sprintf(
        "theta = (%s); the fixed effects are (%s).",
        format_numbers(err$theta),
        format_numbers(err$beta)
      ),
      i = pirls_question(err)
    )
  },
  quadrature = \(err) {
    c(
      paste(
        "Adaptive quadrature needs one grouping factor, at most 100 nodes",
        "and at most a million products of nodes."
      ),
      x = sprintf(
        "The model has %s; %s nodes were asked for.",
        plural(err$n_terms, "grouping factor"),
        err$nodes
      ),
      i = "Use `nAGQ = 1` for the Laplace approximation."
    )
  }
)

# The text about random effects that differ from fixed ones by less than rounding errors, because a
# covariate is far from zero: random slopes beside fixed levels, or random effects beside fixed
# slopes of the same levels.
origin_beside_fixed <- function(err) {
  name <- if (is.null(err$name)) "the covariate" else tick(err$name)
  switch(
    err$beside,
    slopes = origin_beside_slopes(name),
    products = origin_beside_products(name),
    effects = ,
    likelihood = origin_beside_effects(err$beside, name),
    correlation = ,
    sums = origin_beside_digits(err$beside, name),
    origin_beside_levels(name)
  )
}

origin_beside_slopes <- function(name) {
  c(
    "A covariate of the fixed effects is too far from zero.",
    x = sprintf(
      "Its slopes by level hardly differ from the random effects of %s.",
      name
    ),
    i = centre_the_covariate
  )
}

origin_beside_products <- function(name) {
  c(
    "A covariate is too far from zero.",
    x = sprintf(
      "The random effects of %s hardly differ from the fixed effects.",
      name
    ),
    i = centre_the_covariate
  )
}

centre_the_covariate <- "Centre the covariate: take its mean, or a round number near it, off."

# The text about slopes whose digits a correlation parameter, or sums, can't have.
origin_beside_digits <- function(beside, name) {
  in_sums <- beside == "sums"
  c(
    paste(
      "A covariate of a random slope is too far from zero:",
      if (in_sums) {
        "sums lose its digits."
      } else {
        "a correlation can't have its digits."
      }
    ),
    x = sprintf(
      if (in_sums) {
        "In a category the standard deviation of %s is less than 3e-5 of its size."
      } else {
        "The mean of %s is more than 3e6 times its standard deviation."
      },
      name
    ),
    i = "Centre it: take its mean, or a round number near it, off."
  )
}

# The text about random slopes beside levels that are fixed effects.
origin_beside_levels <- function(name) {
  c(
    paste(
      "A covariate of a random slope is too far from zero:",
      "its digits are lost beside the levels, which are fixed effects."
    ),
    x = sprintf(
      "Within levels the standard deviation of %s is less than 1e-5 of its size.",
      name
    ),
    i = paste(
      "Centre it: take its mean, or a round number near it, off.",
      "The slopes, and the restricted likelihood, are those of any origin."
    )
  )
}

# The text about slopes that hardly differ from random effects of which they are independent.
origin_beside_effects <- function(beside, name) {
  is_size <- beside == "likelihood"
  c(
    paste(
      "A covariate of a random slope is too far from zero:",
      "its slopes hardly differ from other random effects, of which they are independent."
    ),
    x = sprintf(
      if (is_size) {
        "With slopes of %s as large as they may be, the likelihood has no digits."
      } else {
        "The mean of %s is more than 1e6 times its standard deviation."
      },
      name
    ),
    i = paste(
      "Centre it: take its mean, or a round number near it, off.",
      "Independent effects have another meaning then: those where the covariate is zero."
    )
  )
}

#' The text about the memory that a model needs and that is available or allowed
#' @noRd
memory_text <- function(gib, free, limit = Inf) {
  needs <- sprintf(
    "The factor of the crossed random effects needs %s.",
    gib_text(gib)
  )
  if (is.null(free) || is.na(free)) {
    return(needs)
  }
  # The core rounds the limit to whole bytes.
  is_limit <- free >= limit - 2^-30
  room <- if (is_limit) "`memory_limit` allows %s." else "%s are left."
  paste(needs, sprintf(room, gib_text(free)))
}

gib_text <- function(gib) paste(format(gib, digits = 2L), "GiB")

four_digits <- function(x) format(x, digits = 4L)

pirls_question <- function(err) {
  if (err$iteration == 0) {
    return(paste(
      "Is `start`, or a covariate, very large?",
      "Can `start` give the mean a value in its range?"
    ))
  }
  paste(
    "Is a covariate on a very large scale,",
    "or does the link let the mean leave its range?"
  )
}

pirls_failure <- function(err) {
  if (err$iteration == 0) {
    return("The likelihood is not a positive number at the start.")
  }
  if (err$halvings == 0) {
    return(paste0(
      "After iteration ",
      err$iteration,
      " the modes still move, or are not finite."
    ))
  }
  paste0(
    "At iteration ",
    err$iteration,
    ", ",
    plural(err$halvings, "step halving"),
    " did not lower the deviance."
  )
}

format_numbers <- function(x) {
  paste(format(x, digits = 3L, trim = TRUE), collapse = ", ")
}

# Wording -------------------------------------------------------------------

# Joins words as "a, b, and c"; above `max` words, the first ones and the number of the others.
enumerate <- function(x, max = 5L, last = "and") {
  if (length(x) > max) {
    others <- format_count(length(x) - max)
    x <- c(x[seq_len(max)], paste(others, "more"))
  }
  k <- length(x)
  if (k <= 1L) {
    return(as.character(x))
  }
  start <- paste(x[-k], collapse = ", ")
  if (k > 2L) {
    start <- paste0(start, ",")
  }
  paste(start, last, x[k])
}

format_count <- function(n) {
  format(n, big.mark = ",", scientific = FALSE, trim = TRUE)
}

tick <- function(x) paste0("`", x, "`")

in_quotes <- function(x) dQuote(x, FALSE)

plural <- function(n, one, many = paste0(one, "s")) {
  paste(format_count(n), if (n == 1) one else many)
}

describe_rows <- function(rows) {
  paste(if (length(rows) == 1L) "row" else "rows", enumerate(rows))
}

# The hint for a nonlinear fit where a fit of another kind is needed.
nonlinear_hint <- function(x) {
  if (inherits(x, "rlmm_nlmm")) {
    "`?rnlmm` lists what is available for nonlinear fits."
  }
}

describe_type <- function(x) {
  if (is.function(x)) {
    return("a function")
  }
  if (is.environment(x) && !is.object(x)) {
    return("an environment")
  }
  if (is.factor(x)) {
    return("a factor")
  }
  if (is.matrix(x)) {
    return(paste(with_article(typeof(x)), "matrix"))
  }
  if (is.object(x)) {
    return(sprintf("an object of class \"%s\"", class(x)[1]))
  }
  if (is.list(x)) "a list" else describe_vector(x)
}

describe_vector <- function(x) {
  if (is.null(x)) {
    return("`NULL`")
  }
  if (length(x) == 1L && is.character(x)) {
    return(encodeString(x, quote = "\""))
  }
  if (length(x) == 1L && is.atomic(x)) {
    return(format(x))
  }
  n <- format_count(length(x))
  if (is.language(x)) {
    return("an expression that isn't evaluated")
  }
  paste(with_article(typeof(x)), "vector of length", n)
}

# The name of a type with its article: "an integer", "a double".
with_article <- function(type) {
  paste(if (type == "integer") "an" else "a", type)
}

# The sentence about the type that was found: "It is a list."
it_is <- function(x) paste0("It is ", describe_type(x), ".")

# The sentence about known names: "They are `a`, `b` and `c`."
they_are <- function(known) {
  paste0("They are ", enumerate(known, max = 10L), ".")
}

# The candidate nearest to `x` in spelling, or none, for "Did you mean ...?". Names without common
# letters never match, however short they are.
nearest <- function(x, candidates) {
  candidates <- candidates[nzchar(candidates)]
  if (length(candidates) == 0L) {
    return(NULL)
  }
  distance <- utils::adist(x, candidates, ignore.case = TRUE)[1, ]
  # Permuted letters count as one mistake.
  is_same <- sorted_letters(candidates) == sorted_letters(x)
  distance[is_same] <- pmin(distance[is_same], 1)
  distance[distance >= pmax(nchar(x), nchar(candidates))] <- Inf
  if (min(distance) > max(1, nchar(x) / 3)) {
    return(NULL)
  }
  candidates[which.min(distance)]
}

sorted_letters <- function(x) {
  letters <- lapply(strsplit(tolower(x), ""), sort)
  vapply(letters, paste, "", collapse = "")
}

did_you_mean <- function(x, candidates, quote = tick) {
  candidates <- as.character(candidates)
  begun <- candidates[nzchar(x) & startsWith(candidates, x)]
  found <- if (length(begun) > 0L) begun else nearest(x, candidates)
  if (length(found) > 0L) {
    c(i = paste0("Did you mean ", enumerate(quote(found), last = "or"), "?"))
  }
}
