"""An embedded model server that answers as TensorFlow Serving does.

    python -m vaiven.serving.server --port=8500 --rest_api_port=8501 --model_name=reviews \\
        --model_base_path=DIR

Requests flow `grpc_service`, `rest` → `inference` → `savedmodel`; versions come and go in `manager`, which
asks `source` what is on disk. Importing this package imports no TensorFlow; starting a server does.
"""
