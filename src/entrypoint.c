/* The C side of the binding: hands R's routine registration to extendr (which also keeps the linker from dropping the
   static library), and offers what extendr's own declarations of R's interface lack. */
#define R_NO_REMAP
#include <Rinternals.h>
#include <R_ext/Rdynload.h>
#include <R_ext/Utils.h>

void register_extendr_panic_hook(void);
void R_init_rlmm_extendr(DllInfo *dll);

static void check_interrupt(void *unused) {
  (void) unused;
  R_CheckUserInterrupt();
}

/* 1 if the user has asked to stop, else 0. R_CheckUserInterrupt() leaves by a long jump, which must not cross Rust's
   frames: R_ToplevelExec() stops it here. The request is consumed; who sees 1 must end the work and tell R. */
int rlmm_check_interrupt(void) {
  return R_ToplevelExec(check_interrupt, NULL) == FALSE;
}

void R_init_rlmm(DllInfo *dll) {
  register_extendr_panic_hook();
  R_init_rlmm_extendr(dll);
}
