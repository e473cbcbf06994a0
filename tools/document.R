# The work of tools/document.sh.

# An older roxygen2 would write everything in its own way.
written_with <- read.dcf("DESCRIPTION", "Config/roxygen2/version")[[1L]]
if (utils::packageVersion("roxygen2") < written_with) {
  stop(
    "roxygen2 ",
    written_with,
    " or newer is needed (the newest R of tools/setup-r.sh has it).",
    call. = FALSE
  )
}

# What NAMESPACE imports, as a namespace sees it: attaching the packages instead would let their
# other functions (Matrix's own update(), for one) hide the generics that the methods here are for.
imports_env <- function(path) {
  env <- new.env(parent = globalenv())
  for (import in parseNamespaceFile(basename(path), dirname(path))$imports) {
    package <- import[[1L]]
    names <- if (length(import) > 1L) {
      import[[2L]]
    } else {
      getNamespaceExports(package)
    }
    for (name in names) {
      assign(name, getExportedValue(package, name), envir = env)
    }
  }
  env
}

# roxygen2 looks at the objects it documents: the functions, from the sources, and the data sets.
load_package <- function(path) {
  env <- new.env(parent = imports_env(path))
  methods::setPackageName("rlmm", env)
  # The sources ask their namespace for the version.
  spec <- read.dcf(file.path(path, "DESCRIPTION"), c("Package", "Version"))[
    1L,
  ]
  info <- list2env(list(spec = c(name = spec[[1L]], version = spec[[2L]])))
  assign(".__NAMESPACE__.", info, envir = env)
  for (file in list.files(file.path(path, "R"), "[.]R$", full.names = TRUE)) {
    sys.source(file, envir = env, keep.source = TRUE)
  }
  rm(".__NAMESPACE__.", envir = env)
  for (file in list.files(
    file.path(path, "data"),
    "[.]rda$",
    full.names = TRUE
  )) {
    load(file, envir = env)
  }
  env
}

suppressPackageStartupMessages(roxygen2::roxygenise(load_code = load_package))

# roxygen2 links a function that lme4 or lmerTest has too to their help: the pages here come first.
# The page of what is exported again (reexports) says nothing itself.
link_to_own_pages <- function(files) {
  files <- files[basename(files) != "reexports.Rd"]
  texts <- lapply(files, readLines, encoding = "UTF-8")
  aliases <- grep("^[\\]alias\\{", unlist(texts), value = TRUE)
  own <- gsub("^[\\]alias\\{|\\}$", "", aliases)
  for (i in seq_along(files)) {
    text <- texts[[i]]
    links <- regmatches(text, gregexpr("link\\[[^]=:]+:[^]]+\\]", text))
    for (link in unique(unlist(links))) {
      topic <- sub("link\\[[^:]+:(.*)\\]", "\\1", link)
      if (topic %in% own) {
        text <- gsub(link, sprintf("link[=%s]", topic), text, fixed = TRUE)
      }
    }
    if (!identical(text, texts[[i]])) {
      writeLines(text, files[[i]], useBytes = TRUE)
    }
  }
}

link_to_own_pages(list.files("man", "[.]Rd$", full.names = TRUE))
