"""A model server with the interfaces and behaviour of TensorFlow Serving.

    python -m vaiven.serving.server --port=8500 --rest_api_port=8501 --model_name=reviews \\
        --model_base_path=DIR

Requests flow from `grpc_service` or `rest` through `api` and `inference` to `execution` and `saved_model`. `manager`
loads and unloads versions. TensorFlow is imported when a server starts, and not with this package.

Other packages use `server`, `server_process`, `in_process` and `flags` only.
"""
