/** @file Entry point of the native addon: each part adds its functions to the exports. */
#include <node_api.h>

namespace shacomp {

// Weak, so that the addon links while a part is left out of the build.
__attribute__((weak)) void register_network(napi_env env, napi_value exports);
__attribute__((weak)) void register_mix(napi_env env, napi_value exports);
__attribute__((weak)) void register_train(napi_env env, napi_value exports);

}  // namespace shacomp

NAPI_MODULE_INIT() {
  if (shacomp::register_network) shacomp::register_network(env, exports);
  if (shacomp::register_mix) shacomp::register_mix(env, exports);
  if (shacomp::register_train) shacomp::register_train(env, exports);
  return exports;
}
