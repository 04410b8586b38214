/** @file Entry point of the native addon: each part adds its functions to the exports. */
#include <node_api.h>

namespace shacomp {

void register_network(napi_env env, napi_value exports);
void register_mix(napi_env env, napi_value exports);
void register_pipeline(napi_env env, napi_value exports);
void register_streams(napi_env env, napi_value exports);
void register_train(napi_env env, napi_value exports);

}  // namespace shacomp

NAPI_MODULE_INIT() {
  shacomp::register_network(env, exports);
  shacomp::register_mix(env, exports);
  shacomp::register_pipeline(env, exports);
  shacomp::register_streams(env, exports);
  shacomp::register_train(env, exports);
  return exports;
}
